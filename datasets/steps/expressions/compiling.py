"""From a tree to an expression of Polars, with types checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from operator import add, eq, ge, gt, le, lt, mul, ne, sub

import numpy as np
import polars as pl
from django.utils.translation import gettext as _

from common.errors import Invalid
from datasets.steps.base import Schema, at
from datasets.steps.exact import divided
from datasets.steps.expressions.functions import FUNCTIONS, Typed, words_of
from datasets.steps.expressions.parsing import Node, parse, refuse
from datasets.steps.zones import beginning, instant

NUMBERS = ("integer", "number")
_COMPARED: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_SIGNS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {"+": add, "-": sub, "*": mul}
_DIVIDED = {"/": np.divide, "//": np.floor_divide, "%": np.mod}
_NOTHING: dict[str, pl.DataType] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "truth": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """What an expression came to: to be computed on frames of the columns that it was made for."""

    value: pl.Expr
    dtype: pl.DataType


def compiled(source: str, schema: Schema, *, parameter: str, wants: str = "") -> Compiled:
    """Compile an expression. Raises Invalid that points at the character, under the name of the parameter.

    `wants="truth"` for conditions.
    """
    try:
        tree = parse(source)
        found = _typed(tree, schema)
        if wants and found.type not in (wants, "missing"):
            refuse(
                tree.at,
                _("this gives %(type)s; a condition is needed, such as length(…) > 10")
                % {"type": words_of(found.type)},
            )
    except Invalid as error:
        raise Invalid(error.message, code=error.code, fields={parameter: error.message}) from None
    value = found.value.cast(pl.Boolean) if wants else found.value
    dtype = pl.LazyFrame(schema=dict(schema)).select(value.alias("value")).collect_schema()["value"]
    dtype = dtype if dtype != pl.Null else pl.String()
    return Compiled(value.cast(dtype, strict=False), dtype)


def type_of(dtype: pl.DataType) -> str:
    """Give the name that expressions have for the type of a column."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "number"
    names = {pl.String: "text", pl.Boolean: "truth", pl.Date: "date", pl.Datetime: "datetime", pl.Duration: "duration"}
    return names.get(dtype.base_type(), "list" if isinstance(dtype, pl.List) else "missing")


def _typed(node: Node, schema: Schema) -> Typed:
    return _WAYS.get(node.op, _arithmetic)(node, schema)


def _column(node: Node, schema: Schema) -> Typed:
    if node.value not in schema or node.value.startswith("__"):
        near = ", ".join(list(schema)[:20])
        refuse(
            node.at, _("there is no column “%(name)s”; there are: %(columns)s") % {"name": node.value, "columns": near}
        )
    return Typed(at(node.value), type_of(schema[node.value]))


def _literal(node: Node, _schema: Schema) -> Typed:
    kind = {int: "integer", float: "number", str: "text", bool: "truth"}[type(node.value)]
    return Typed(pl.lit(node.value), kind, node.value)


def _missing(_node: Node, _schema: Schema) -> Typed:
    return Typed(pl.lit(None), "missing")


def _logic(node: Node, schema: Schema) -> Typed:
    values = []
    for part in node.parts:
        found = _typed(part, schema)
        if found.type not in ("truth", "missing"):
            said = _("“%(word)s” joins conditions, and this is %(type)s")
            refuse(part.at, said % {"word": node.op, "type": words_of(found.type)})
        values.append(found.value.cast(pl.Boolean))
    if node.op == "not":
        return Typed(~values[0], "truth")
    return Typed(pl.all_horizontal(values) if node.op == "and" else pl.any_horizontal(values), "truth")


def _comparison(node: Node, schema: Schema) -> Typed:
    left, right = _alike(node, [_typed(part, schema) for part in node.parts])
    if "missing" in (left.type, right.type):
        refuse(node.at, _("nothing equals a missing value; write “is missing”"))
    if left.type == "list" or (left.type == "truth" and node.op not in ("=", "!=")):
        refuse(node.at, _("values of this type cannot be compared so"))
    return Typed(_COMPARED[node.op](left.value, right.value), "truth")


def _is_in(node: Node, schema: Schema) -> Typed:
    if len(node.parts) < 2:
        refuse(node.at, _("“in” wants values in brackets"))
    first, *others = _alike(node, [_typed(part, schema) for part in node.parts])
    if first.type == "list" or any(other.type == "missing" for other in others):
        refuse(node.at, _("values of this type cannot be compared so"))
    return Typed(pl.any_horizontal([first.value == other.value for other in others]), "truth")


def _is_missing(node: Node, schema: Schema) -> Typed:
    return Typed(_typed(node.parts[0], schema).value.is_null(), "truth")


def _alike(node: Node, found: Sequence[Typed]) -> list[Typed]:
    """Give values that can be compared; a text that is written down may be a date. Raises Invalid."""
    kinds = {one.type for one in found} - {"missing"}
    moment = next((kind for kind in ("datetime", "date") if kind in kinds), None)
    if moment:
        found = [_moment(part, one, moment) for part, one in zip(node.parts, found, strict=True)]
        kinds = {one.type for one in found} - {"missing"}
    if len(kinds) > 1 and not kinds <= set(NUMBERS):
        names = " · ".join(words_of(kind) for kind in sorted(kinds))
        refuse(node.at, _("values of different types do not go together: %(types)s") % {"types": names})
    return list(found)


def _moment(node: Node, found: Typed, kind: str) -> Typed:
    """Give a date for a text that is written down, and a time for a date beside times."""
    if found.type == "date" and kind == "datetime":
        return Typed(beginning(found.value), "datetime")
    if found.type != "text" or not isinstance(found.literal, str):
        return found
    try:
        return Typed(_written(found.literal, kind), kind)
    except (ValueError, OverflowError):
        refuse(node.at, _("this is no date; write '2026-01-31'"))


def _written(text: str, kind: str) -> pl.Expr:
    if kind == "date":
        return pl.lit(date.fromisoformat(text))
    read = datetime.fromisoformat(text)
    if read.tzinfo:
        return pl.lit(read.astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
    return beginning(pl.lit(read.date())) if read.time() == time() else instant(pl.lit(read, pl.Datetime("us")))


def _negative(node: Node, schema: Schema) -> Typed:
    found = _typed(node.parts[0], schema)
    if found.type not in NUMBERS:
        refuse(
            node.at, _("“%(sign)s” wants numbers, and this is %(type)s") % {"sign": "-", "type": words_of(found.type)}
        )
    literal = -found.literal if isinstance(found.literal, int | float) else None
    return Typed(pl.lit(literal) if literal is not None else -_signed(found), found.type, literal)


def _arithmetic(node: Node, schema: Schema) -> Typed:
    left, right = (_typed(part, schema) for part in node.parts)
    if node.op == "+" and {left.type, right.type} == {"text"}:
        return Typed(left.value + right.value, "text")
    for part, one in zip(node.parts, (left, right), strict=True):
        if one.type not in NUMBERS:
            said = _("“%(sign)s” wants numbers, and this is %(type)s")
            refuse(part.at, said % {"sign": node.op, "type": words_of(one.type)})
    kind = "integer" if left.type == right.type == "integer" and node.op != "/" else "number"
    if kind == "number" and node.op in _DIVIDED:
        return Typed(divided(left.value, right.value, _DIVIDED[node.op]), kind)
    value = _reckoned(node.op, _signed(left), _signed(right))
    if kind == "integer" and node.op in ("+", "-", "*"):  # 64 bits overflow without a word
        about = _reckoned(node.op, left.value.cast(pl.Float64), right.value.cast(pl.Float64))
        value = pl.when(about.abs() < 2.0**63).then(value)
    return Typed(value, kind)


def _reckoned(sign: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if sign in _SIGNS:
        return _SIGNS[sign](left, right)
    divisor = pl.when(right == 0).then(None).otherwise(right)
    return left // divisor if sign == "//" else left % divisor


def _signed(found: Typed) -> pl.Expr:
    """Give whole numbers with a sign: without one 1 - 2 is a large number."""
    return found.value.cast(pl.Int64, strict=False) if found.type == "integer" else found.value


def _call(node: Node, schema: Schema) -> Typed:
    function = FUNCTIONS.get(node.value)
    if not function:
        refuse(node.at, _("there is no function “%(name)s”") % {"name": node.value})
    given = [_typed(part, schema) for part in node.parts]
    if not function.least <= len(given) <= function.most:
        refuse(node.at, _("it is written %(form)s") % {"form": function.form})
    for place, part in enumerate(node.parts):
        wanted = function.takes[min(place, len(function.takes) - 1)]
        given[place] = _fitted(part, given[place], wanted, node.value)
    if function.is_alike:
        given = _alike_arguments(node, given, function.alike_from)
    try:
        return function.make(given)
    except Invalid as error:
        refuse(node.at, error.message.rstrip("."))


def _fitted(node: Node, found: Typed, wanted: str, name: str) -> Typed:
    """Check an argument: `wanted` names types with a bar between them, `any`, or `=text` for one that is written."""
    is_written, kinds = wanted.startswith("="), wanted.lstrip("=").split("|")
    if is_written and found.literal is None:
        refuse(node.at, _("%(name)s(…) wants this written down, not computed") % {"name": name})
    if "any" not in kinds and found.type not in kinds and not (found.type == "missing" and not is_written):
        if found.type == "integer" and "number" in kinds:
            return found
        said = _("%(name)s(…) wants %(wanted)s here, and this is %(type)s")
        names = " · ".join(words_of(kind) for kind in kinds)
        refuse(node.at, said % {"name": name, "wanted": names, "type": words_of(found.type)})
    if found.type == "missing" and kinds[0] in _NOTHING:
        return Typed(found.value.cast(_NOTHING[kinds[0]]), kinds[0])
    return found


def _alike_arguments(node: Node, given: list[Typed], first: int) -> list[Typed]:
    part = Node(node.op, node.at, parts=node.parts[first:])
    return [*given[:first], *_alike(part, given[first:])]


_WAYS: dict[str, Callable[[Node, Schema], Typed]] = {
    "column": _column,
    "number": _literal,
    "text": _literal,
    "truth": _literal,
    "missing": _missing,
    "and": _logic,
    "or": _logic,
    "not": _logic,
    "in": _is_in,
    "missing?": _is_missing,
    "negative": _negative,
    "call": _call,
    **dict.fromkeys(_COMPARED, _comparison),
}
