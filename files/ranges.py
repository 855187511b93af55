"""Which bytes of a file a request wants. Source: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_RANGES = 20
_SPEC = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Give how many they are."""
        return self.stop - self.start

    def header(self, size: int) -> str:
        """Give the value of Content-Range."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def wanted_spans(text: str, size: int) -> Sequence[Span] | None:
    """Give the spans of a Range header, `None` where it is to be ignored; an empty list satisfies none of it.

    Ignored: other units, wrong syntax, more than `MOST_RANGES` ranges. Spans that touch or overlap become one.
    """
    unit, found, rest = text.partition("=")
    specs = [part.strip() for part in rest.split(",") if part.strip()]
    if unit.strip().lower() != "bytes" or not found or not 1 <= len(specs) <= MOST_RANGES:
        return None
    matches = [_SPEC.fullmatch(spec) for spec in specs]
    spans = []
    for match in matches:
        if match is None or match.group() == "-" or _is_backwards(match):
            return None
        if span := _span(match, size):
            spans.append(span)
    return _merged(spans)


def is_listed(header: str, etag: str) -> bool:
    """Tell whether If-None-Match names an entity tag, by weak comparison."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def _is_backwards(match: re.Match[str]) -> bool:
    first, last = match.groups()
    return bool(first and last) and int(first) > int(last)


def _span(match: re.Match[str], size: int) -> Span | None:
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    return Span(start, stop) if start < stop else None


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return found
