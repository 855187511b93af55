"""What the labels of a version are called."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from common.errors import FluemanError
from files.models import Blob
from files.services import open_blob
from registry.models import ModelFile, ModelVersion

_MAX_BYTES = 1024 * 1024
_MOST_KNOWN = 256


def label_names(version: ModelVersion | None) -> dict[str, str]:
    """Give names by label id in the order of the model's scores; empty where the version has no labels."""
    return label_names_of([version.pk]).get(version.pk, {}) if version else {}


def label_names_of(version_ids: Iterable[UUID]) -> dict[UUID, dict[str, str]]:
    """Give the label names of several versions, in one query."""
    files = ModelFile.objects.filter(version__in=set(version_ids)).values_list(
        "version_id", "path", "blob_id", "version__manifest"
    )
    return {version_id: _read(sha256) for version_id, path, sha256, raw in files if path == raw.get("labels")}


def _read(sha256: str) -> dict[str, str]:
    """Give names by label; none when the file cannot be had, until it can."""
    try:
        return _read_file(sha256)
    except (ObjectDoesNotExist, FluemanError, OSError, ValueError, KeyError, TypeError):
        return {}


@lru_cache(maxsize=64)
def _read_file(sha256: str) -> dict[str, str]:
    """Read a list of texts or of `{"id", "name"}`. Raises whatever a file that is none meets."""
    with open_blob(Blob.objects.get(pk=sha256)) as stream:
        entries: Any = json.loads(stream.read(_MAX_BYTES))
    pairs = [(entry, entry) if isinstance(entry, str) else (entry["id"], entry["name"]) for entry in entries]
    return {str(label): str(name) for label, name in pairs}


class LabelCache:
    """The labels of the versions that are called, for an event loop, which may not wait for a database."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def get(self, version_id: str) -> tuple[str, ...]:
        """Give a version's labels in the order of its scores, none where it has none or `load` did not see it."""
        return self._known.get(version_id, ())

    def load(self, version_ids: Collection[str]) -> None:
        """Read what is not known yet. Not for the event loop."""
        wanted = [version_id for version_id in version_ids if version_id not in self._known]
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        found = label_names_of(map(UUID, wanted)) if wanted else {}
        for version_id in wanted:
            if names := found.get(UUID(version_id)):
                self._known[version_id] = tuple(names)
