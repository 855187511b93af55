"""What the files app cannot know of its files: that they can become datasets."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from files.models import StoredFile
from files.usage import NextStep

READABLE = (
    "csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "arrow", "feather", "xlsx", "xlsm", "xlsb", "xls", "ods",
    "gz", "zst", "zip",
)  # fmt: skip


def _url(stored: StoredFile) -> str:
    if stored.name.lower().rpartition(".")[2] not in READABLE:
        return ""
    return f"{reverse('admin:datasets_dataset_import')}?file={stored.pk}"


IMPORT_FILE = NextStep(_("Import as a dataset"), "datasets.add_source", _url)
