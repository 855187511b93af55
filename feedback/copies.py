"""Copies of logged calls for review: input and output of one row, which outlive the log; masked where wanted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from feedback.models import ReviewItem
from feedback.rules import Source
from inference.log.cases import Asked, Case, cases_of

MOST_TEXT, MOST_NUMBERS = 20_000, 4096
MOST_OF_TEXTS = 10 * MOST_TEXT  # characters of the texts of a list
MARGIN = 200  # characters behind a cut that are looked at for personal data which begins before it
_CUT = re.compile(r"…\[\+\d+\]\Z")


def copies_of(sources: Sequence[Source], *, is_masked: bool) -> list[ReviewItem]:
    """Give items, without queue and unsaved, of sources that are still there."""
    places: dict[Asked, list[int]] = defaultdict(list)
    for place, source in enumerate(sources):
        places[source.request_id, source.row].append(place)
    plain = _masking() if is_masked and sources else str
    made = {place: _copy(sources[place], case, plain) for asked, case in cases_of(places) for place in places[asked]}
    items = (made.get(place) or _copy(source, None, plain) for place, source in enumerate(sources))
    return [item for item in items if item is not None]


def _copy(source: Source, case: Case | None, plain: Callable[[str], str]) -> ReviewItem | None:
    if case is None and source.input is None:
        return None
    names: Any = case.call if case else source
    given: Any = source.input if source.input is not None or case is None else case.inputs
    return ReviewItem(
        source_key=source.source_key,
        request_id=source.request_id,
        row=source.row,
        feedback_id=source.feedback_id,
        model=names.model,
        version=names.version,
        version_id=names.version_id,
        input=_shortened(given, plain),
        output=_shortened(source.output or (case.output if case else {}), plain),
    )


def is_cut(value: Any) -> bool:
    """Whether a value of a copy is a text of which only the beginning was kept, or holds one."""
    if isinstance(value, str):
        is_older = len(value) > MOST_TEXT / 2 and value.endswith("…")  # masked, and perhaps shorter, after it was cut
        return is_older or bool(_CUT.search(value))
    return isinstance(value, list) and any(map(is_cut, value))


def _shortened(value: Any, plain: Callable[[str], str]) -> Any:
    """Give a value that a page can show: texts `plain` and cut, long lists only counted."""
    if isinstance(value, str):
        return _beginning(value, plain)
    if isinstance(value, Mapping):
        return {str(name): _shortened(inner, plain) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        is_long = len(value) > MOST_NUMBERS or sum(len(one) for one in value if isinstance(one, str)) > MOST_OF_TEXTS
        return {"values_left_out": len(value)} if is_long else [_shortened(one, plain) for one in value]
    return value


def _beginning(text: str, plain: Callable[[str], str]) -> str:
    """Give a text, or its beginning and how many characters follow; what is masked across the cut is masked whole."""
    if len(text) <= MOST_TEXT:
        return plain(text)
    margin = min(MARGIN, len(text) - MOST_TEXT)
    start = plain(text[: MOST_TEXT + margin])[:-margin]
    return f"{start}…[+{len(text) - MOST_TEXT}]"


def _masking() -> Callable[[str], str]:
    from feedback.masking import Masker  # noqa: PLC0415 - it brings Polars

    masker = Masker()
    return lambda text: str(masker.mask({"": text})[""])
