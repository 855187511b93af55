"""Search in the rows of a version: stretch by stretch within a time, and on from there with the next request."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from time import monotonic
from typing import Any

import polars as pl
from django.utils.translation import gettext as _

from common.errors import Invalid
from datasets.browsing import OPERATORS
from datasets.browsing.rows import Rows, plain_rows
from datasets.engines.table import ROW
from datasets.steps.patterns import checked_pattern
from datasets.values import value_of

SCAN_ROWS = 65_536
PATTERN_ROWS = 512  # the time of a pattern grows with its size too: seconds for a megabyte at worst
MOST_REPEATS = 200
BUDGET_S = 0.25
LONGEST = 200
MOST_WORDS = 20
MOST_COLUMNS = 100  # that are searched where none are chosen


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: words in columns (all text columns where none are named), and one condition on a column."""

    words: str = ""
    mode: str = "contains"
    columns: tuple[str, ...] = ()
    column: str = ""
    operator: str = "eq"
    value: str = ""

    @property
    def is_asked(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.words.strip() or self.column)

    def condition(self, types: Mapping[str, str]) -> pl.Expr:
        """Give it as a condition on rows. `types` are the columns of the version. Raises Invalid by field."""
        parts = [*self._words(types), *self._comparison(types)]
        return reduce(and_, parts)

    def _words(self, types: Mapping[str, str]) -> Iterator[pl.Expr]:
        words = self.words.strip()
        if not words:
            return
        if len(words) > LONGEST:
            _refuse("q", _("At most %(most)d characters can be looked for.") % {"most": LONGEST})
        columns = _text_columns(types, self.columns)
        if self.mode == "regex":
            pattern = checked_pattern(words, parameter="q", most_repeats=MOST_REPEATS)
            yield _any(columns, lambda column: column.str.contains(pattern))
        elif self.mode == "exact":
            forms = list(_forms(words))
            yield _any(columns, lambda column: column.is_in(forms))
        else:
            for word in _split(words):
                pattern = _either(word)
                yield _any(columns, lambda column, pattern=pattern: column.str.contains(pattern))

    def _comparison(self, types: Mapping[str, str]) -> Iterator[pl.Expr]:
        if not self.column:
            return
        if self.column not in types:
            _refuse("column", _("There is no column “%(name)s”.") % {"name": self.column})
        kind, column = types[self.column], pl.col(self.column)
        if self.operator == "missing":
            yield column.is_null()
        elif self.operator == "present":
            yield column.is_not_null()
        elif self.operator == "contains":
            if kind != "text":
                _refuse("op", _("Only texts can be looked into."))
            yield column.str.contains(_either(self.value))
        elif self.operator in OPERATORS:
            yield _compared(column, self.operator, kind, self.value)
        else:
            _refuse("op", _("There is no such comparison."))


@dataclass(frozen=True, slots=True)
class Found:
    """What a request found. `searched` rows lie behind; `next_place` is where to go on, None at the end."""

    rows: list[dict[str, Any]]
    searched: int
    total: int
    next_place: int | None


def search(
    rows: Rows,
    wanted: Search,
    *,
    columns: Sequence[str],
    longest: int,
    place: int,
    most: int,
    budget_s: float = BUDGET_S,
) -> Found:
    """Look from a place on until `most` rows are found or the time is used up, at least one stretch."""
    condition, until = wanted.condition(rows.types), monotonic() + budget_s
    shown = rows.shown(columns, longest)
    found: list[dict[str, Any]] = []
    at = place
    for stretch in rows.stretches(place, PATTERN_ROWS if wanted.mode == "regex" else SCAN_ROWS):
        frame = stretch.frame().filter(condition).head(most - len(found)).select(ROW, *shown).collect()
        found += plain_rows(frame)
        if len(found) >= most:  # what lies behind the last one in this stretch is still to be searched
            at += found[-1]["row"] - stretch.first_row + 1
            break
        at += stretch.rows
        if monotonic() > until:
            break
    return Found(found, at, rows.total, at if at < rows.total else None)


def _text_columns(types: Mapping[str, str], chosen: Sequence[str]) -> list[str]:
    for name in chosen:
        if name not in types:
            _refuse("in", _("There is no column “%(name)s”.") % {"name": name})
        if types[name] != "text":
            _refuse("in", _("The column “%(name)s” holds no text.") % {"name": name})
    found = list(chosen) or [name for name, kind in types.items() if kind == "text"][:MOST_COLUMNS]
    if not found:
        _refuse("q", _("This version has no column of texts."))
    return found


def _any(columns: Sequence[str], make: Any) -> pl.Expr:
    return reduce(or_, (make(pl.col(name)) for name in columns))


def _split(words: str) -> list[str]:
    """Give words; what stands in quotes is one."""
    found = [piece for n, part in enumerate(words.split('"')) for piece in ([part] if n % 2 else part.split()) if piece]
    return found[:MOST_WORDS] or [words]


def _forms(text: str) -> Iterator[str]:
    """Give the ways in which the same text may be written in Unicode."""
    yield from dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)])


def _either(text: str) -> str:
    """Give the pattern of a text in any case and form; half as slow as to look for each of them."""
    return f"(?i)(?:{'|'.join(map(re.escape, _forms(text)))})"


def _compared(column: pl.Expr, operator: str, kind: str, text: str) -> pl.Expr:
    if kind.startswith("list"):
        _refuse("column", _("Lists cannot be compared."))
    if kind == "truth" and operator not in ("eq", "ne"):
        _refuse("op", _("Only = and ≠ fit yes and no."))
    value = pl.lit(value_of(kind, text))
    compared: pl.Expr = getattr(column, operator)(value)
    return compared


def _refuse(field: str, said: str) -> Any:
    raise Invalid(said, fields={field: said})
