"""The preview of rows on the page of a version: what was asked for, the rows, and the ways on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import thousands
from common.errors import FluemanError
from datasets.admin import shown
from datasets.models import DatasetVersion

PAGE_ROWS = 25
COLUMNS_SHOWN = 12
LONGEST, LONGEST_WHOLE = 300, 100_000
FOLDED = 120
COLUMNS_OFFERED = 200
OPERATORS = (
    ("eq", "="), ("ne", "≠"), ("lt", "<"), ("le", "≤"), ("gt", ">"), ("ge", "≥"),
    ("contains", _("contains")), ("missing", _("is missing")), ("present", _("is there")),
)  # fmt: skip
MODES = (("contains", _("contains")), ("exact", _("is exactly")), ("regex", _("matches the pattern")))
_NUMBERS = {"integer", "number", "duration"}


def rows_context(request: HttpRequest, version: DatasetVersion) -> dict[str, Any]:
    """Give the rows that the address asks for, with the form and the links; what is wrong stands in `rows_error`."""
    from datasets.browsing.asking import Usual, ask  # noqa: PLC0415 - web loads Polars with the first rows that it shows

    query = request.GET
    usual = Usual(PAGE_ROWS, COLUMNS_SHOWN, LONGEST)
    context = _form(version, query)
    try:
        asked = ask(version, query, usual)
        found = asked.answer()
    except FluemanError as error:
        return context | {"rows_error": error, "lines": [], "shown_columns": []}
    types = {column["name"]: column["type"] for column in version.columns}
    counts = {"found": len(found.rows), "done": found.next_place is None}
    return context | {
        "is_search": asked.search.is_asked,
        "shown_columns": [(name, types[name] in _NUMBERS) for name in asked.columns],
        "left_columns": len(types) - len(asked.columns),
        "lines": [_line(version, row, asked.columns, types) for row in found.rows],
        "searched": _searched(found.searched, found.total, is_done=counts["done"]),
        "total": found.total,
        "first": asked.place + 1,
        "last": asked.place + len(found.rows),
        "counts": counts | {"searched": found.searched, "total": found.total},
        "next_url": _address(query, offset=found.next_place) if found.next_place is not None else "",
        "earlier_url": _earlier(query, asked.place, asked.limit) if not asked.search.is_asked else "",
    }


def cells(values: Mapping[str, Any], version: DatasetVersion, longest: int = LONGEST_WHOLE) -> list[dict[str, Any]]:
    """Give values as cells, each knowing how it is to be shown."""
    types = {column["name"]: column["type"] for column in version.columns}
    return [cell(value, types[name], longest) | {"name": name} for name, value in values.items()]


def cell(value: Any, kind: str, longest: int) -> dict[str, Any]:
    """Give what the template shows: a missing value, chips, a number, or a text that may be folded or cut."""
    if value is None:
        return {"is_missing": True}
    if isinstance(value, list):
        shown_values = [_entry(one) for one in value[:50]]
        return {"entries": shown_values, "has_more": len(value) > 50, "is_list": True}
    if kind != "text":
        text = str(value) if kind in ("integer", "number") else shown.value_words(value, kind=kind)
        return {"text": text, "is_number": kind in _NUMBERS, "is_short": True}
    is_cut = len(value) > longest
    text = value[:longest]
    return {
        "text": text,
        "is_cut": is_cut,
        "is_folded": len(text) > FOLDED,
        "short": text[:FOLDED],
        "is_empty": not text.strip(),
    }


def row_values(version: DatasetVersion, place: int) -> dict[str, Any] | None:
    """Give one row whole, of the columns that a page can hold."""
    from datasets.browsing.rows import Rows  # noqa: PLC0415 - as above

    names = [column["name"] for column in version.columns][:1000]
    found = Rows(version).page(place, 1, names, min(LONGEST_WHOLE, 5_000_000 // max(1, len(names))))
    return dict(found[0]["values"]) if found else None


def _entry(value: Any) -> str:
    return "–" if value is None else shown.value_words(value, 40)


def _line(
    version: DatasetVersion, row: Mapping[str, Any], columns: Sequence[str], types: Mapping[str, str]
) -> dict[str, Any]:
    values = row["values"]
    return {
        "number": row["row"] + 1,
        "url": shown.version_url(version, "row", row["row"] + 1),
        "cells": [cell(values[name], types[name], LONGEST) for name in columns],
    }


def _form(version: DatasetVersion, query: QueryDict) -> dict[str, Any]:
    names = [column["name"] for column in version.columns]
    texts = [column["name"] for column in version.columns if column["type"] == "text"]
    splits = list(version.parts.order_by().values_list("split", flat=True).distinct())
    chosen = query.getlist("columns")
    return {
        "query": {name: query.get(name, "") for name in ("q", "mode", "column", "op", "value", "split", "row")},
        "searched_in": query.getlist("in"),
        "text_columns": texts[:COLUMNS_OFFERED],
        "offered_columns": [(name, name in chosen) for name in names[:COLUMNS_OFFERED]],
        "chosen_columns": [name for name in chosen if name not in names[:COLUMNS_OFFERED]],
        "is_wide": len(names) > COLUMNS_OFFERED,
        "filter_columns": names[:COLUMNS_OFFERED],
        "splits": [split for split in ("train", "validation", "test") if split in splits]
        + sorted(split for split in splits if split not in ("", "train", "validation", "test")),
        "operators": OPERATORS,
        "modes": MODES,
        "is_chosen": bool(chosen),
        "rows_url": shown.version_url(version, "rows"),
        "is_narrowed": any(query.get(name) for name in ("q", "column", "split", "columns")),
    }


def _searched(rows: int, total: int, *, is_done: bool) -> str:
    if is_done:
        return gettext("all %(total)s rows searched") % {"total": thousands(total)}
    return gettext("%(rows)s of %(total)s rows searched") % {"rows": thousands(rows), "total": thousands(total)}


def _earlier(query: QueryDict, place: int, limit: int) -> str:
    return _address(query, offset=max(0, place - limit)) if place else ""


def _address(query: QueryDict, **changed: Any) -> str:
    """Give the same question from another place on."""
    same = query.copy()
    same.pop("row", None)
    for name, value in changed.items():
        same[name] = str(value)
    return f"?{same.urlencode()}"
