"""What the labels of a version are called."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from common.errors import FluemanError
from files.models import Blob
from files.services import open_blob
from registry.models import ModelFile, ModelVersion

_MAX_BYTES = 1024 * 1024


def label_names(version: ModelVersion | None) -> dict[str, str]:
    """Give names by label id in the order of the model's scores; empty where the version has no labels."""
    path = version.manifest.get("labels") if version else None
    if not path:
        return {}
    sha256 = ModelFile.objects.filter(version=version, path=path).values_list("blob_id", flat=True).first()
    return _read(sha256) if sha256 else {}


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
