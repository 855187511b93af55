"""Entities marked in their text, and vectors as small heat maps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from common.display import percent
from common.plots import tensor

_SIDE = 16  # vectors of fewer numbers than four rows of four are no map


def show_entities(said: str, text: str) -> SafeString | None:
    """Give what a token classifier said of a text: marked where they stand, as a list where the text is not at hand.

    `None` for what is no list of entities: a model may say anything.
    """
    found = _read(said)
    if found is None:
        return None
    if not found:
        return format_html('<p class="sv-text">{}</p><p class="fm-quiet">{}</p>', text, gettext("Nothing was found."))
    if any(text[one["start"] : one["end"]] != one["text"] for one in found):
        return format_html('<p class="sv-text">{}</p>', format_html_join(" ", "{}", ((_mark(one),) for one in found)))
    return format_html(
        '<p class="sv-text">{}</p>', format_html_join("", "{}", ((part,) for part in _parts(text, found)))
    )


def show_embedding(values: Sequence[float], datatype: str) -> SafeString | None:
    """Give a vector as a map of rows that are as long as it allows; `None` for one too small."""
    if len(values) < _SIDE:
        return None
    columns = max(side for side in range(1, math.isqrt(len(values) * 3) + 1) if len(values) % side == 0)
    return tensor(values, [len(values) // columns, columns], datatype) if columns >= 4 else None


def _parts(text: str, found: Sequence[dict[str, Any]]) -> Iterator[Any]:
    at = 0
    for one in sorted(found, key=lambda entity: entity["start"]):
        if one["start"] >= at:
            yield text[at : one["start"]]
            yield _mark(one)
            at = one["end"]
    yield text[at:]


def _mark(one: dict[str, Any]) -> SafeString:
    return format_html(
        '<mark class="sv-mark">{} <span><b>{}</b> {}</span></mark>', one["text"], one["label"], percent(one["score"])
    )


def _read(said: str) -> list[dict[str, Any]] | None:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    kinds = {"text": str, "start": int, "end": int, "label": str, "score": float}
    is_list = isinstance(found, list) and all(
        isinstance(one, dict) and all(type(one.get(name)) is kind for name, kind in kinds.items()) for one in found
    )
    return found if is_list else None
