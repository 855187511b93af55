"""What the labels of a version are called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from common.errors import FluemanError
from files.models import Blob
from files.services import open_blob
from registry.models import ModelFile, ModelVersion

_MAX_BYTES = 1024 * 1024


def label_names(version: ModelVersion | None) -> dict[str, str]:
    """Give names by label id in the order of the model's scores; empty where the version has no labels."""
    return label_names_of([version.pk]).get(version.pk, {}) if version else {}


def label_names_of(version_ids: Iterable[UUID]) -> dict[UUID, dict[str, str]]:
    """Give the label names of several versions, in one query."""
    files = ModelFile.objects.filter(version__in=set(version_ids)).values_list(
        "version_id", "path", "blob_id", "version__manifest"
    )
    return {version_id: _read(sha256) for version_id, path, sha256, raw in files if path == raw.get("labels")}


@lru_cache(maxsize=64)
def _read(sha256: str) -> dict[str, str]:
    """Read a list of texts or of `{"id", "name"}`; labels without names when the file cannot be had."""
    try:
        with open_blob(Blob.objects.get(pk=sha256)) as stream:
            entries: Any = json.loads(stream.read(_MAX_BYTES))
        pairs = [(entry, entry) if isinstance(entry, str) else (entry["id"], entry["name"]) for entry in entries]
    except (ObjectDoesNotExist, FluemanError, OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(label): str(name) for label, name in pairs}
