"""Every write of data that matters."""

from datasets.services.datasets import (
    archive_dataset,
    change_dataset,
    create_dataset,
    dataset_name,
    dataset_named,
    restore_dataset,
)
from datasets.services.versions import begin_version, give_up_version, seal_version

__all__ = [
    "archive_dataset",
    "begin_version",
    "change_dataset",
    "create_dataset",
    "dataset_name",
    "dataset_named",
    "give_up_version",
    "restore_dataset",
    "seal_version",
]
