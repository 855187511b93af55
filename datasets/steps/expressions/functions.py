"""The functions of expressions, each with the types that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.utils.translation import gettext

from datasets.hashing import positions
from datasets.steps.language import language
from datasets.steps.patterns import checked_pattern
from datasets.steps.zones import local


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression with its type; `literal` is its value where it is written down."""

    value: pl.Expr
    type: str
    literal: Any = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function: how it is written, what it takes (the last counts for all further ones), what it makes.

    `is_alike`: the arguments from `alike_from` on must be of one type.
    """

    form: str
    takes: tuple[str, ...]
    make: Callable[[Sequence[Typed]], Typed]
    least: int = 1
    most: int = 1
    is_alike: bool = False
    alike_from: int = 0


def words_of(kind: str) -> str:
    """Give the name of a type for people."""
    return {
        "text": gettext("text"),
        "integer": gettext("a whole number"),
        "number": gettext("a number"),
        "truth": gettext("true or false"),
        "date": gettext("a date"),
        "datetime": gettext("a time"),
        "duration": gettext("a duration"),
        "list": gettext("a list"),
        "missing": gettext("a missing value"),
        "any": gettext("any value"),
    }[kind]


def _simple(form: str, takes: str, gives: str, make: Callable[[pl.Expr], pl.Expr]) -> Function:
    return Function(form, (takes,), lambda given: Typed(make(given[0].value), gives))


def _text(found: Typed) -> pl.Expr:
    return found.value if found.type == "text" else found.value.cast(pl.String)


def _length(given: Sequence[Typed]) -> Typed:
    one = given[0]
    counted = one.value.list.len() if one.type == "list" else _text(one).str.len_chars()
    return Typed(counted.cast(pl.Int64), "integer")


def word_count(text: pl.Expr) -> pl.Expr:
    """Count what stands between white space."""
    return text.str.count_matches(r"\S+").cast(pl.Int64)


def line_count(text: pl.Expr) -> pl.Expr:
    """Count lines; an empty text has none."""
    return pl.when(text == "").then(0).otherwise(text.str.count_matches("\n", literal=True) + 1).cast(pl.Int64)


def _pattern(given: Typed) -> str:
    return checked_pattern(str(given.literal), parameter="pattern")


def _replaced(given: Sequence[Typed]) -> Typed:
    old, new = str(given[1].literal), str(given[2].literal)
    return Typed(given[0].value.str.replace_all(old, new, literal=True) if old else given[0].value, "text")


def _extracted(given: Sequence[Typed]) -> Typed:
    pattern = _pattern(given[1])
    has_group = pl.Series([""]).str.extract_groups(f"({pattern})").struct.fields[1:]
    return Typed(given[0].value.str.extract(pattern, 1 if has_group else 0), "text")


def _cut(given: Sequence[Typed]) -> Typed:
    start = given[1].value.cast(pl.Int64) - 1
    length = given[2].value.cast(pl.Int64).clip(lower_bound=0) if len(given) > 2 else None
    return Typed(given[0].value.str.slice(start.clip(lower_bound=0), length), "text")


def _if(given: Sequence[Typed]) -> Typed:
    yes, no = given[1], given[2]
    return Typed(pl.when(given[0].value.cast(pl.Boolean)).then(yes.value).otherwise(no.value), _common(given[1:]))


def _coalesce(given: Sequence[Typed]) -> Typed:
    return Typed(pl.coalesce([one.value for one in given]), _common(given))


def _common(given: Sequence[Typed]) -> str:
    kinds = {one.type for one in given} - {"missing"}
    return "number" if "number" in kinds else next(iter(kinds), "missing")


def _largest(given: Sequence[Typed]) -> Typed:
    return Typed(pl.max_horizontal([one.value for one in given]), _common(given))


def _smallest(given: Sequence[Typed]) -> Typed:
    return Typed(pl.min_horizontal([one.value for one in given]), _common(given))


def _rounded(given: Sequence[Typed]) -> Typed:
    digits = int(given[1].literal) if len(given) > 1 else 0
    return Typed(given[0].value.cast(pl.Float64).round(min(max(digits, 0), 15)), "number")


def _integer(given: Sequence[Typed]) -> Typed:
    one = given[0]
    value = one.value.str.strip_chars().str.replace_all(",", "", literal=True) if one.type == "text" else one.value
    return Typed(value.cast(pl.Int64, strict=False), "integer")


def _number(given: Sequence[Typed]) -> Typed:
    one = given[0]
    value = one.value.str.strip_chars().str.replace_all(",", "", literal=True) if one.type == "text" else one.value
    return Typed(value.cast(pl.Float64, strict=False), "number")


def _date(given: Sequence[Typed]) -> Typed:
    one = given[0]
    value = one.value.str.to_date("%Y-%m-%d", strict=False) if one.type == "text" else _shown(one).dt.date()
    return Typed(value, "date")


def _shown(found: Typed) -> pl.Expr:
    """Give a time as the clocks of the installation show it, and a date as it is."""
    return local(found.value) if found.type == "datetime" else found.value


def _calendar(form: str, takes: str, part: Callable[[pl.Expr], pl.Expr]) -> Function:
    return Function(form, (takes,), lambda given: Typed(part(_shown(given[0])).cast(pl.Int64), "integer"))


def _days(given: Sequence[Typed]) -> Typed:
    first, last = (_shown(one).dt.date() for one in given)
    return Typed((last - first).dt.total_days(), "integer")


def _hash(given: Sequence[Typed]) -> Typed:
    """Documented in `datasets/hashing.py`; 63 bits, so that it is a whole number with a sign."""
    text, seed = _text(given[0]), int(given[1].literal) if len(given) > 1 else 0

    def hashed(keys: pl.Series) -> pl.Series:
        found = (positions(keys.fill_null(""), seed) // 2).cast(pl.Int64).alias(keys.name)
        return found.to_frame("found").select(pl.when(keys.is_not_null()).then("found"))["found"]

    return Typed(text.map_batches(hashed, return_dtype=pl.Int64, is_elementwise=True), "integer")


def _joined(given: Sequence[Typed]) -> Typed:
    return Typed(pl.concat_str([_text(one) for one in given], ignore_nulls=True), "text")


def _has(given: Sequence[Typed]) -> Typed:
    return Typed(given[0].value.str.contains(given[1].value, literal=True), "truth")


_MANY = 50
FUNCTIONS: dict[str, Function] = {
    "length": Function("length(text)", ("text|list",), _length),
    "words": _simple("words(text)", "text", "integer", word_count),
    "lines": _simple("lines(text)", "text", "integer", line_count),
    "lower": _simple("lower(text)", "text", "text", lambda one: one.str.to_lowercase()),
    "upper": _simple("upper(text)", "text", "text", lambda one: one.str.to_uppercase()),
    "trim": _simple("trim(text)", "text", "text", lambda one: one.str.strip_chars()),
    "language": _simple("language(text)", "text", "text", language),
    "contains": Function("contains(text, 'part')", ("text",), _has, 2, 2),
    "starts_with": Function(
        "starts_with(text, 'part')",
        ("text",),
        lambda given: Typed(given[0].value.str.starts_with(given[1].value), "truth"),
        2,
        2,
    ),
    "ends_with": Function(
        "ends_with(text, 'part')",
        ("text",),
        lambda given: Typed(given[0].value.str.ends_with(given[1].value), "truth"),
        2,
        2,
    ),
    "matches": Function(
        "matches(text, 'pattern')",
        ("text", "=text"),
        lambda given: Typed(given[0].value.str.contains(_pattern(given[1])), "truth"),
        2,
        2,
    ),
    "extract": Function("extract(text, 'pattern')", ("text", "=text"), _extracted, 2, 2),
    "replace": Function("replace(text, 'old', 'new')", ("text", "=text"), _replaced, 3, 3),
    "part": Function("part(text, first, count)", ("text", "integer"), _cut, 2, 3),
    "concat": Function("concat(value, …)", ("text|integer|number|truth|date|datetime",), _joined, 1, _MANY),
    "text": Function(
        "text(value)", ("text|integer|number|truth|date|datetime",), lambda given: Typed(_text(given[0]), "text")
    ),
    "number": Function("number(value)", ("text|integer|number|truth",), _number),
    "integer": Function("integer(value)", ("text|integer|number|truth",), _integer),
    "date": Function("date(value)", ("text|date|datetime",), _date),
    "abs": Function("abs(number)", ("number",), lambda given: Typed(given[0].value.abs(), given[0].type)),
    "round": Function("round(number, digits)", ("number", "=integer"), _rounded, 1, 2),
    "floor": _simple("floor(number)", "number", "number", lambda one: one.cast(pl.Float64).floor()),
    "ceil": _simple("ceil(number)", "number", "number", lambda one: one.cast(pl.Float64).ceil()),
    "sqrt": _simple("sqrt(number)", "number", "number", lambda one: one.cast(pl.Float64).sqrt()),
    "log": _simple("log(number)", "number", "number", lambda one: one.cast(pl.Float64).log()),
    "is_nan": _simple("is_nan(number)", "number", "truth", lambda one: one.cast(pl.Float64).is_nan()),
    "min": Function("min(a, b, …)", ("number|text|date|datetime",), _smallest, 2, _MANY, is_alike=True),
    "max": Function("max(a, b, …)", ("number|text|date|datetime",), _largest, 2, _MANY, is_alike=True),
    "year": _calendar("year(date)", "date|datetime", lambda one: one.dt.year()),
    "month": _calendar("month(date)", "date|datetime", lambda one: one.dt.month()),
    "day": _calendar("day(date)", "date|datetime", lambda one: one.dt.day()),
    "weekday": _calendar("weekday(date)", "date|datetime", lambda one: one.dt.weekday()),
    "hour": _calendar("hour(time)", "datetime", lambda one: one.dt.hour()),
    "days": Function("days(from, to)", ("date|datetime",), _days, 2, 2),
    "if": Function("if(condition, then, else)", ("truth", "any"), _if, 3, 3, is_alike=True, alike_from=1),
    "coalesce": Function("coalesce(value, instead, …)", ("any",), _coalesce, 2, _MANY, is_alike=True),
    "hash": Function("hash(value, seed)", ("text|integer|number|truth|date|datetime", "=integer"), _hash, 1, 2),
}
