"""Copies of logged calls for review: input and output of one row, which outlive the log; masked where wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from feedback.models import ReviewItem
from feedback.rules import Source
from inference.log.cases import Asked, Case, cases_of

MOST_TEXT, MOST_NUMBERS = 20_000, 4096


def copies_of(sources: Sequence[Source], *, is_masked: bool) -> list[ReviewItem]:
    """Give items, without queue and unsaved, of sources that are still there."""
    places: dict[Asked, list[int]] = defaultdict(list)
    for place, source in enumerate(sources):
        places[source.request_id, source.row].append(place)
    made = {place: _copy(sources[place], case) for asked, case in cases_of(places) for place in places[asked]}
    items = (made.get(place) or _copy(source, None) for place, source in enumerate(sources))
    found = [item for item in items if item is not None]
    if is_masked and found:
        _mask(found)
    return found


def _copy(source: Source, case: Case | None) -> ReviewItem | None:
    if case is None and source.input is None:
        return None
    names: Any = case.call if case else source
    return ReviewItem(
        source_key=source.source_key,
        request_id=source.request_id,
        row=source.row,
        feedback_id=source.feedback_id,
        model=names.model,
        version=names.version,
        version_id=names.version_id,
        input=_shortened(source.input if source.input is not None else case.inputs),  # type: ignore[union-attr]
        output=_shortened(source.output or (case.output if case else {})),
    )


def _shortened(value: Any) -> Any:
    """Give a value that a page can show: texts cut, long lists of numbers only counted."""
    if isinstance(value, str):
        return value if len(value) <= MOST_TEXT else f"{value[:MOST_TEXT]}…"
    if isinstance(value, Mapping):
        return {str(name): _shortened(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return {"values_left_out": len(value)} if len(value) > MOST_NUMBERS else [_shortened(one) for one in value]
    return value


def _mask(items: Sequence[ReviewItem]) -> None:
    from feedback.masking import Masker  # noqa: PLC0415 - it brings Polars

    masker = Masker()
    for item in items:
        item.input, item.output = masker.mask(item.input), masker.mask(item.output)
