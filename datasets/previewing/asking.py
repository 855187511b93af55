"""What a recipe would do to a version, found on a few of its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from common.errors import Invalid
from datasets.models import Artefact, DatasetVersion
from datasets.previewing import helper, sample
from files.models import StoredFile
from files.services import open_blob

MOST_STEPS = 100
MOST_OTHERS = 4
MOST_NAMED = 1000
LARGEST_FILE = 16 << 20
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def preview(*, version: DatasetVersion, steps: Sequence[Any], person: int | None, selected: int = -1) -> dict[str, Any]:
    """Run steps on a sample; tell for each what it did, or what is wrong, and show the rows of the selected one.

    `steps` may be half done: errors are told by field, as `steps.0.column`. `person` is who asks, whose files steps may
    name. Raises Invalid, Unavailable.
    """
    if not isinstance(steps, list) or len(steps) > MOST_STEPS or not version.is_sealed:
        raise Invalid(_("A preview has at most %(most)d steps, and a sealed version.") % {"most": MOST_STEPS})
    said_of = json.dumps(steps, ensure_ascii=False)
    columns = _columns(version, said_of)
    blobs = {"": sample.sample_of(version, [one["name"] for one in columns])}
    others = _others(said_of)
    blobs |= {str(other.pk): sample.first_rows(other) for other in others}
    blobs |= _files(said_of, person)
    question = {"steps": steps, "columns": version.columns, "selected": selected, "language": get_language() or "en"}
    said, broken = helper.ask(question, blobs)
    cut = [str(other) for other in others if other.rows > sample.OTHER_ROWS]
    return {**_gathered(said, len(steps), broken), **_facts(version, columns), "cut_others": cut}


def _gathered(said: Sequence[dict[str, Any]], count: int, broken: helper.Broken | None) -> dict[str, Any]:
    told: dict[str, Any] = {"schemas": [], "errors": {}}
    steps: list[dict[str, Any]] = [{"state": "waiting"} for _place in range(count)]
    for one in said:
        if "place" in one:
            steps[one["place"]] = {name: value for name, value in one.items() if name != "place"}
        else:
            told |= one
    running = next((step for step in steps if step["state"] == "running"), None)
    if broken:
        if running is None:
            raise Invalid(_late() if broken.is_late else _broke(), code="preview_broke")
        running |= {"state": "failed", "error": _late() if broken.is_late else _broke()}
    return {**told, "steps": steps}


def _late() -> str:
    return _("This took longer than %(seconds)d s on a few rows.") % {"seconds": helper.DEADLINE_S}


def _broke() -> str:
    return _("The preview ended: the step needs more memory than a preview has, or broke what runs it.")


def _facts(version: DatasetVersion, columns: Sequence[Any]) -> dict[str, Any]:
    """Give what the reader must know of the sample."""
    return {
        "rows_total": version.rows,
        "rows_looked_at": min(version.rows, sample.ROWS),
        "hidden_columns": len(version.columns) - len(columns),
    }


def _columns(version: DatasetVersion, said_of: str) -> list[dict[str, str]]:
    """Give the columns that are looked at: all of them, or of very many the first and those that the steps name."""
    if len(version.columns) <= sample.MOST_COLUMNS:
        return list(version.columns)
    first = version.columns[: sample.MOST_COLUMNS]
    return first + [one for one in version.columns[sample.MOST_COLUMNS :] if one["name"] in said_of]


def _others(said_of: str) -> list[DatasetVersion]:
    """Give the other sealed versions that steps name."""
    keys = [UUID(word) for word in _words(said_of, 36) if _KEY.fullmatch(word)][:MOST_NAMED]
    found = DatasetVersion.objects.sealed().filter(pk__in=keys).select_related("dataset")
    return sorted(found, key=lambda one: keys.index(one.pk))[:MOST_OTHERS]


def _files(said_of: str, person: int | None) -> dict[str, bytes]:
    """Give the files that steps name by their SHA-256: of earlier runs, or of the person."""
    wanted = _words(said_of, 64)[:MOST_NAMED]
    kept = Artefact.objects.filter(blob_id__in=wanted).select_related("blob")
    own = StoredFile.objects.visible_to(person).present().filter(blob_id__in=wanted).select_related("blob")
    found = {}
    blobs = [*(one.blob for one in kept[:MOST_OTHERS]), *(one.blob for one in own[:MOST_OTHERS])] if wanted else []
    for blob in blobs:
        if blob.size_bytes <= LARGEST_FILE and f"file:{blob.pk}" not in found:
            with open_blob(blob) as stream:
                found[f"file:{blob.pk}"] = stream.read()
    return found


def _words(said_of: str, length: int) -> list[str]:
    return list(dict.fromkeys(word for word in said_of.split('"') if len(word) == length and word.isascii()))
