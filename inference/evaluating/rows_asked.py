"""Which rows of an evaluation an address asks for: read and written, the same at every door. Without Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from common import strict_json
from common.errors import Invalid
from common.numbers import whole
from inference.evaluating import KINDS

MOST_ROWS = 200
USUAL_ROWS = 25
MOST_SLICES = 8


def address(url: str, *, slices: Mapping[str, str] | None = None, **wanted: str) -> str:
    """Give the address of rows; a slice stands in it as `slice=column=value`."""
    pairs = [(name, value) for name, value in wanted.items() if value]
    pairs += [("slice", f"{column}={value}") for column, value in (slices or {}).items()]
    return f"{url}?{urlencode(pairs)}" if pairs else url


def read_asked(query: QueryDict) -> tuple[dict[str, Any], int, int]:
    """Give the fields of `Wanted`, the place to begin at, and how many rows. Raises Invalid by field."""
    kind = query.get("kind", "")
    if kind not in ("", *KINDS):
        _refuse("kind", _("This must be one of: %(names)s.") % {"names": ", ".join(KINDS)})
    slices = {}
    for pair in query.getlist("slice")[:MOST_SLICES]:
        if pair:
            column, _sign, value = strict_json.check_text(pair, field="slice").partition("=")
            slices[column] = value
    texts = {name: strict_json.check_text(query.get(name, ""), field=name)[:255] for name in ("right", "answer")}
    wanted = {"kind": kind, **texts, "slices": slices, "words": strict_json.check_text(query.get("q", ""), field="q")}
    return wanted, _number(query, "place", 0, 2**48), max(1, _number(query, "limit", USUAL_ROWS, MOST_ROWS))


def _number(query: QueryDict, name: str, usual: int, most: int) -> int:
    found = whole(query.get(name) or str(usual), most=most)
    if found is not None:
        return found
    said = _("This must be a whole number from %(least)d to %(most)d.") % {"least": 0, "most": most}
    raise Invalid(said, fields={name: said})


def _refuse(name: str, said: str) -> None:
    raise Invalid(said, fields={name: said})
