"""Exports: a version as a file of somebody's."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.services import record
from common.errors import Invalid, NotReady
from common.transactions import transactional
from datasets.models import DatasetVersion
from jobs import services as jobs
from jobs.models import Job

EXPORT = "datasets.export"
FORMATS = {
    "csv": gettext_lazy("CSV, for spreadsheets"),
    "jsonl": gettext_lazy("JSON Lines"),
    "parquet": gettext_lazy("Parquet, one file"),
    "parquet_parts": gettext_lazy("Parquet, a zip of its parts"),
    "huggingface": gettext_lazy("Hugging Face: a zip of a folder for datasets.load_dataset"),
}


@transactional
def start_export(*, version: DatasetVersion, actor: User, **wanted: Any) -> Job:
    """Begin an export that becomes a file of the actor's; the job's result names it.

    `wanted` is what `checked_options` takes. The same export that waits or runs is given instead of a second one.
    Raises NotReady, Invalid naming the field.
    """
    options = checked_options(version=version, **wanted)
    told = hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:16]
    key = f"{EXPORT}.{version.pk}.{actor.pk}.{told}"
    payload = {"version": str(version.pk), "options": options}
    job = jobs.enqueue(kind=EXPORT, payload=payload, actor=actor, target=version, key=key)
    record(action="datasets.version_exported", actor=actor, target=version, after=options)
    return job


def checked_options(
    *,
    version: DatasetVersion,
    format: str,  # noqa: A002 - what everybody calls it
    split: str = "",
    is_guarded: bool = True,
    has_bom: bool = False,
) -> dict[str, Any]:
    """Give the options of an export as they are kept. Raises NotReady, Invalid naming the field.

    `split` is one split, empty for all. `is_guarded` keeps spreadsheets from running cells of CSV as formulas,
    `has_bom` has Excel read it as UTF-8.
    """
    if not version.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": version}, code="not_sealed")
    if format not in FORMATS:
        said = _("There is no format “%(name)s”. There are: %(names)s.")
        _refuse("format", said % {"name": format[:50], "names": ", ".join(FORMATS)})
    known = splits_of(version)
    if split and split not in known:
        said = _("There is no split “%(name)s”. There are: %(names)s.")
        _refuse("split", said % {"name": split[:50], "names": ", ".join(filter(None, known)) or "–"})
    return {"format": format, "split": split, "is_guarded": is_guarded, "has_bom": has_bom}


def splits_of(version: DatasetVersion) -> list[str]:
    """Give the splits of a version in order; one that was not divided has one without a name."""
    parts = version.parts.order_by("number").values_list("split", flat=True)
    return list(dict.fromkeys(parts)) or [""]


def _refuse(field: str, said: str) -> None:
    raise Invalid(said, fields={field: said})
