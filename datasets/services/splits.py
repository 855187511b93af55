"""Splits: a version divided into training, validation and test, as a new version."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from common.errors import Invalid
from common.names import composed
from common.transactions import transactional
from datasets.models import DatasetVersion, PreprocessingJob
from datasets.services.preprocessing import begin_preprocessing
from datasets.services.versions import begin_version

SPLIT = "datasets.split"
DEFAULT_SHARES = (("train", 80.0), ("validation", 10.0), ("test", 10.0))
MOST_SPLITS = 20
_NAME = re.compile(r"\w{1,50}")


@transactional
def split_version(
    *,
    version: DatasetVersion,
    shares: Sequence[tuple[str, float]] = DEFAULT_SHARES,
    actor: Any,
    together: Sequence[str] = (),
    stratify: str = "",
    seed: int = 0,
    text: str = "",
) -> PreprocessingJob:
    """Begin a version of the same rows, divided into splits by percent.

    Rows with equal values in the columns `together` (none: in all columns) stay in one split. Without `stratify` the
    values there decide alone, so that the same row falls into the same split in every later version; with it each class
    of that column is divided exactly. `text` is the column that is looked through for the same text in two splits
    (empty: the one with the longest texts). Raises Invalid naming the field, NotReady if the version is not sealed.
    """
    parts = checked_shares(shares)
    options = {
        "shares": parts,
        "together": _columns(version, "together", together),
        "stratify": _column(version, "stratify", stratify),
        "text": _column(version, "text", text),
        "seed": seed,
    }
    if text and _types(version)[text] != "text":
        _refuse("text", _("The column “%(name)s” holds no text.") % {"name": text})
    said = ", ".join(f"{name} {share:g} %" for name, share in parts)
    made = begin_version(dataset=version.dataset, parent=version, actor=actor, description=said)
    return begin_preprocessing(
        kind=PreprocessingJob.Kind.SPLIT,
        version=made,
        actor=actor,
        steps=[("split", gettext_noop("Divide the rows")), ("leaks", gettext_noop("Look for one text in two splits"))],
        job_kind=SPLIT,
        options=options,
        rows_total=version.rows,
    )


def checked_shares(given: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Give names and percentages as they are kept. Raises Invalid naming `shares`."""
    if not 2 <= len(given) <= MOST_SPLITS:
        _refuse("shares", _("Give two to %(most)d splits.") % {"most": MOST_SPLITS})
    found = [(composed(name).strip(), share) for name, share in given]
    for name, share in found:
        if not _NAME.fullmatch(name):
            _refuse("shares", _("“%(name)s” is no name of a split: letters, digits and _ only.") % {"name": name[:60]})
        if not (math.isfinite(share) and share > 0):
            _refuse("shares", _("The share of “%(name)s” must be more than nought.") % {"name": name})
    if len({name for name, _share in found}) < len(found):
        _refuse("shares", _("Two splits have one name."))
    whole = sum(share for _name, share in found)
    if abs(whole - 100) > 1e-6:
        _refuse("shares", _("The shares make %(whole)s percent, not 100.") % {"whole": f"{whole:g}"})
    return found


def _columns(version: DatasetVersion, field: str, names: Sequence[str]) -> list[str]:
    return [_column(version, field, name) for name in dict.fromkeys(names) if name]


def _column(version: DatasetVersion, field: str, name: str) -> str:
    if name and name not in _types(version):
        _refuse(field, _("There is no column “%(name)s”.") % {"name": name[:100]})
    return name


def _types(version: DatasetVersion) -> dict[str, str]:
    return {column["name"]: column["type"] for column in version.columns}


def _refuse(field: str, said: str) -> None:
    raise Invalid(said, fields={field: said})
