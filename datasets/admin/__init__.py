"""The pages of data."""

from datasets.admin import datasets, preprocessing, recipes, versions

__all__ = ["datasets", "preprocessing", "recipes", "versions"]
