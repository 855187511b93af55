"""Every write of data that matters."""

from datasets.services.datasets import (
    archive_dataset,
    change_dataset,
    create_dataset,
    dataset_named,
    restore_dataset,
)
from datasets.services.differences import compare_versions
from datasets.services.exports import start_export
from datasets.services.imports import import_dataset, look_at, same_version
from datasets.services.preprocessing import (
    begin_preprocessing,
    cancel_preprocessing,
    give_up_versions,
    retry_preprocessing,
    write_again,
)
from datasets.services.profiles import profile_of, profile_version
from datasets.services.splits import split_version
from datasets.services.versions import begin_version, find_version, give_up_version, seal_version

__all__ = [
    "archive_dataset",
    "begin_preprocessing",
    "begin_version",
    "cancel_preprocessing",
    "change_dataset",
    "compare_versions",
    "create_dataset",
    "dataset_named",
    "find_version",
    "give_up_version",
    "give_up_versions",
    "import_dataset",
    "look_at",
    "profile_of",
    "profile_version",
    "restore_dataset",
    "retry_preprocessing",
    "same_version",
    "seal_version",
    "split_version",
    "start_export",
    "write_again",
]
