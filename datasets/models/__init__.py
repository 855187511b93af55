"""Tables of data: datasets and their versions, recipes, and the work that makes the one by the other."""

from datasets.models.datasets import Dataset, DatasetPart, DatasetTag, DatasetVersion, Source
from datasets.models.differences import VersionDifference
from datasets.models.preprocessing import Artefact, PreprocessingJob, PreprocessingStep
from datasets.models.recipes import Recipe, RecipeVersion

__all__ = [
    "Artefact",
    "Dataset",
    "DatasetPart",
    "DatasetTag",
    "DatasetVersion",
    "PreprocessingJob",
    "PreprocessingStep",
    "Recipe",
    "RecipeVersion",
    "Source",
    "VersionDifference",
]
