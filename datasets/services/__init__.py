"""Every write of data that matters."""

from datasets.services.datasets import (
    archive_dataset,
    change_dataset,
    create_dataset,
    dataset_name,
    dataset_named,
    restore_dataset,
)
from datasets.services.preprocessing import (
    begin_preprocessing,
    cancel_preprocessing,
    give_up_versions,
    retry_preprocessing,
    write_again,
)
from datasets.services.versions import begin_version, give_up_version, seal_version

__all__ = [
    "archive_dataset",
    "begin_preprocessing",
    "begin_version",
    "cancel_preprocessing",
    "change_dataset",
    "create_dataset",
    "dataset_name",
    "dataset_named",
    "give_up_version",
    "give_up_versions",
    "restore_dataset",
    "retry_preprocessing",
    "seal_version",
    "write_again",
]
