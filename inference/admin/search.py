"""The search of the Requests page: its filters, and each call as one line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import badge, percent
from inference.bodies.readable import first_words
from inference.labels import label_names_of
from inference.log import search as log
from inference.log.criteria import DEFAULT_RANGE, Criteria
from inference.models import Deployment

RANGE_LABELS = {
    "15m": _("15 minutes"),
    "1h": _("1 hour"),
    "24h": _("24 hours"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "any": _("any time"),
}
STATUSES = (
    ("", _("any result")),
    ("2xx", _("answered")),
    ("errors", _("all errors")),
    ("4xx", _("refused (4xx)")),
    ("5xx", _("failed (5xx)")),
)
_MORE = ("error", "slower_than_ms", "model", "version", "since", "until")
FIELDS = ("q", "deployment", "status", *_MORE, "range", "words", "user")


@dataclass(frozen=True, slots=True)
class Line:
    """One call in the list."""

    row: Any
    url: str
    state: SafeString
    asked: str
    answered: str


def lines_of(rows: Sequence[Any], withheld: Collection[UUID]) -> list[Line]:
    """Give found calls as the list shows them, some without their answer; names of labels are read for all at once."""
    names = label_names_of(row.version_id for row in rows if row.version_id)
    return [_line(row, names.get(row.version_id, {}), is_withheld=row.pk in withheld) for row in rows]


def _line(row: Any, names: Mapping[str, str], *, is_withheld: bool) -> Line:
    answer = row.error_code
    if is_withheld:
        answer = gettext("kept back until you have judged it")
    elif row.status < 400:
        answer = names.get(row.first_label, row.first_label) or first_words(row.first_output or "")
        if row.first_label and row.first_score is not None:
            answer = f"{answer} {percent(row.first_score)}"
    url = reverse("admin:inference_inferencerequest_change", args=[row.pk])
    asked = first_words(row.input_start) or (gettext("large input") if row.input_blob else "")
    return Line(row, url, state_badge(row.status), asked, answer)


def search_form(request: HttpRequest, params: dict[str, str], criteria: Criteria, page: log.Page) -> dict[str, Any]:
    """Give the filters as they stand, and the addresses of each other choice."""
    chosen = params["range"] or ("" if params["since"] or params["until"] else DEFAULT_RANGE)
    if not params["range"] and criteria.names_caller:
        chosen = "any"
    wide = {"range": "", "since": "", "until": ""}
    return {
        "ranges": [
            (name, label, _with(params, wide | {"range": name}), name == chosen) for name, label in RANGE_LABELS.items()
        ],
        "statuses": STATUSES,
        "deployments": list(Deployment.objects.values_list("name", flat=True)[:200]),
        "older_url": _with(params, {"cursor": str(page.cursor)}) if page.cursor else "",
        "newest_url": _with(params, {}) if request.GET.get("cursor") else "",
        "any_url": _with(params, wide | {"range": "any"}),
        "words_url": _with(params, {"q": "", "words": params["q"]}) if params["q"] and criteria.user_id else "",
        "is_filtered": any(params[name] for name in FIELDS if name != "range"),
        "has_more_filters": any(params[name] for name in _MORE),
        "range_label": RANGE_LABELS.get(chosen, ""),
    }


def _with(params: dict[str, str], changes: dict[str, str]) -> str:
    query = {name: value for name, value in {**params, **changes}.items() if value}
    return f"?{urlencode(query)}" if query else "?"


def state_badge(status: int) -> SafeString:
    """Give how a call ended."""
    if status < 400:
        return badge("ok", gettext("answered"))
    tone = "warn" if status < 500 else "bad"
    return badge("", f"{gettext('refused') if status < 500 else gettext('failed')} {status}", tone)
