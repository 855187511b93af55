"""CSV and TSV row by row: a quote that is never closed, or a line of another length, costs its own row. Pure."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from datasets.formats.facts import MOST_LINE_BYTES, Reject, cut
from datasets.formats.guessing import Dialect
from datasets.formats.texts import Lines, shown

MOST_LINES_OF_A_ROW = 2000
MOST_ROW_CHARACTERS = 4 << 20


class Row(NamedTuple):
    """The cells of a row, the number of its first line, and how many characters it has."""

    line: int
    cells: list[str]
    size: int


class _OverError(Exception):
    """The row goes on for longer than any row does."""


class Rows:
    """The rows of a text in order, rejects among them. The first is the header where there is one."""

    def __init__(self, lines: Lines, dialect: Dialect) -> None:
        self._lines, self._dialect = lines, dialect
        self._held: list[tuple[str, bool]] = []  # the lines of this row, and whether their bytes are no text
        self._again: deque[tuple[str, bool]] = deque()
        self._size, self._is_damaged = 0, False
        csv.field_size_limit(MOST_LINE_BYTES)

    def __iter__(self) -> Iterator[Row | Reject]:
        reader = self._reader()
        while True:
            self._held, self._size, self._is_damaged = [], 0, False
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _OverError) as error:
                yield self._broken(error)
                reader = self._reader()
                continue
            if self._is_damaged:
                yield self._reject("wrong_bytes")
            elif cells:
                yield Row(self._first(), cells, self._size)

    def _reader(self) -> Iterator[list[str]]:
        return iter(
            csv.reader(
                self._feed(),
                delimiter=self._dialect.delimiter,
                quotechar=self._dialect.quote or None,
                quoting=csv.QUOTE_MINIMAL if self._dialect.quote else csv.QUOTE_NONE,
                strict=True,
            )
        )

    def _feed(self) -> Iterator[str]:
        while True:
            if self._again:
                text, is_damaged = self._again.popleft()
            elif (found := self._lines.next()) is None:
                return
            else:
                text, is_damaged = found, self._lines.is_damaged
            self._held.append((text, is_damaged))
            self._size += len(text)
            self._is_damaged |= is_damaged
            is_over = len(self._held) > MOST_LINES_OF_A_ROW or self._size > MOST_ROW_CHARACTERS
            if text is Lines.TOO_LONG or (is_over and len(self._held) > 1):
                raise _OverError
            yield text

    def _first(self) -> int:
        return self._lines.number - len(self._again) - len(self._held) + 1

    def _broken(self, error: Exception) -> Reject:
        """Set the first line aside and give the others back: only the quote in the first can be to blame."""
        if self._held[-1][0] is Lines.TOO_LONG:
            self._held[-1] = (self._lines.beginning, False)
            return self._reject("line_too_long", most=MOST_LINE_BYTES)
        code = "open_quote" if len(self._held) > 1 or "end of data" in str(error) else "bad_quote"
        code = "stray_return" if "new-line" in str(error) else code
        first = self._first()
        self._again.extendleft(reversed(self._held[1:]))
        return Reject(first, code, cut(shown(self._held[0][0]).rstrip("\r\n")))

    def _reject(self, code: str, **values: int) -> Reject:
        text = "".join(text for text, _is_damaged in self._held)
        return Reject(self._first(), code, cut(shown(text[:4000]).rstrip("\r\n")), values=values)
