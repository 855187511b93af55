"""Which feedback the inbox shows: filters that stay in the address, each answered by an index or bounded by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.ids import floor_of
from feedback.models import Feedback, ReviewItem
from inference.log.criteria import RANGES

FIELDS = ("thumb", "rating", "correction", "review", "deployment", "version", "source", "request", "range")
DEFAULT_RANGE = "30d"
THUMBS = (("-1", _("thumbs down")), ("1", _("thumbs up")))
RANGE_LABELS = {"24h": _("24 hours"), "7d": _("7 days"), "30d": _("30 days"), "any": _("any time")}


def chosen_of(params: Mapping[str, str]) -> dict[str, str]:
    """Give the filters of an address; what is none counts as not chosen."""
    chosen = {name: params.get(name, "").strip()[:150] for name in FIELDS}
    allowed: dict[str, Any] = {
        "thumb": [value for value, _label in THUMBS],
        "rating": list("12345"),
        "correction": ["1"],
        "review": ["no", "yes"],
        "source": Feedback.Source.values,
        "range": list(RANGE_LABELS),
    }
    for name, values in allowed.items():
        chosen[name] = chosen[name] if chosen[name] in values else ""
    for name in ("version", "request"):
        chosen[name] = chosen[name] if _uuid(chosen[name]) else ""
    return chosen


def filtered(rows: QuerySet[Feedback], chosen: Mapping[str, str]) -> QuerySet[Feedback]:
    """Give the feedback that fits, newest first. Of one request or version it is found at any age."""
    is_bound = chosen["request"] or chosen["version"]
    length = RANGES[chosen["range"] or ("any" if is_bound else DEFAULT_RANGE)]
    if length is not None:
        rows = rows.filter(pk__gte=floor_of(timezone.now() - length))
    wanted: dict[str, Any] = {}
    for name, field in (("thumb", "thumb"), ("rating", "rating"), ("deployment", "deployment"), ("source", "source")):
        if chosen[name]:
            wanted[field] = chosen[name]
    for name, field in (("version", "version_id"), ("request", "request_id")):
        if chosen[name]:
            wanted[field] = _uuid(chosen[name])
    if chosen["correction"]:
        wanted["has_correction__in"] = [True]  # a bare column in WHERE would walk no index
    rows = rows.filter(**wanted).order_by("-pk")
    if chosen["review"]:
        rows = rows.filter(in_review() if chosen["review"] == "yes" else ~in_review())
    return rows


def in_review() -> Exists:
    """Say whether what it speaks of is in a review queue."""
    return Exists(ReviewItem.objects.filter(request_id=OuterRef("request_id"), row=OuterRef("row")))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
