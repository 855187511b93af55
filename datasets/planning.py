"""What a recipe says: its steps read and checked, and the columns that each gives to the next. No database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import polars as pl
from django.utils.translation import gettext as _

from common.errors import Invalid
from datasets.steps.base import Schema, SchemaOf, Step, other_versions
from datasets.steps.params import make_step, plain

MOST_STEPS = 100
MOST_COLUMNS = 10_000
LONGEST_NOTE = 1000
KEYS = {"kind", "params", "is_enabled", "note"}
_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
    "duration": pl.Duration("us"),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of a recipe as it is to run."""

    step: Step
    is_enabled: bool = True
    note: str = ""

    @property
    def raw(self) -> dict[str, Any]:
        """Give it as recipes keep it, parameters at their default left out."""
        return {
            "kind": self.step.kind,
            "params": plain(self.step),
            "is_enabled": self.is_enabled,
            "note": self.note,
        }


def parse_steps(raw: Any) -> list[Planned]:
    """Read `[{"kind", "params", "is_enabled", "note"}]`. Raises Invalid with `fields` such as `steps.0.column`."""
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        _refuse(_("Steps are a list."), "steps")
    if len(raw) > MOST_STEPS:
        _refuse(_("A recipe has at most %(most)d steps.") % {"most": MOST_STEPS}, "steps")
    found: list[Planned] = []
    wrong: dict[str, str] = {}
    for place, one in enumerate(raw):
        try:
            found.append(read_step(one, place))
        except Invalid as error:
            wrong |= error.fields
    if wrong:
        raise Invalid(_told(wrong), code="invalid_step", fields=wrong)
    return found


def read_step(raw: Any, place: int) -> Planned:
    """Read one step. Raises Invalid with `fields` that begin with its place."""
    try:
        return _planned(raw)
    except Invalid as error:
        raise Invalid(error.message, code=error.code, fields=_placed(error, place)) from None


def check(steps: Sequence[Planned], schema: Schema, others: SchemaOf | None = None) -> list[Schema]:
    """Give the columns before the first step and after each. Raises Invalid that names the step that cannot work."""
    schemas, error = chain(steps, schema, others)
    if error:
        raise error
    return schemas


def chain(
    steps: Sequence[Planned], schema: Schema, others: SchemaOf | None = None
) -> tuple[list[Schema], Invalid | None]:
    """Give the columns before the first step and after each up to the first that cannot work, and what is wrong.

    `others` gives the columns of other versions that steps name.
    """
    schemas = [schema]
    for place, planned in enumerate(steps):
        try:
            with other_versions(others):
                schemas.append(_after(planned, schemas[-1]))
        except Invalid as error:
            wrong = _placed(error, place)
            return schemas, Invalid(_told(wrong), code=error.code, fields=wrong)
    return schemas, None


def schema_of(columns: Sequence[Mapping[str, str]]) -> dict[str, pl.DataType]:
    """Give the types of the columns of a dataset version. Raises Invalid for a type that is none."""
    return {column["name"]: _type_of(column["type"]) for column in columns}


def columns_of(schema: Schema) -> list[dict[str, str]]:
    """Give columns as a dataset version keeps them. Raises Invalid for a type that no version holds."""
    return [{"name": name, "type": type_name(kind)} for name, kind in schema.items()]


def type_name(kind: pl.DataType) -> str:
    """Give the name of a type: text, integer, number, truth, date, datetime, duration or a list of one of these."""
    if isinstance(kind, pl.List):
        inner = kind.inner if isinstance(kind.inner, pl.DataType) else kind.inner()
        if not isinstance(inner, pl.List):
            return f"list[{type_name(inner)}]"
    if kind.is_integer():
        return "integer"
    if kind.is_float():
        return "number"
    for name, known in _TYPES.items():
        if kind.base_type() == known.base_type():
            return name
    raise Invalid(_("No dataset holds columns of the type %(type)s.") % {"type": kind}, code="unknown_type")


def _type_of(name: str) -> pl.DataType:
    if name.startswith("list[") and name.endswith("]"):
        return pl.List(_type_of(name[5:-1]))
    if name not in _TYPES:
        raise Invalid(_("There is no type “%(name)s”.") % {"name": name}, code="unknown_type")
    return _TYPES[name]


def _planned(one: Any) -> Planned:
    if not isinstance(one, Mapping):
        _refuse(_("A step is an object with a kind and parameters."), "")
    for name in one.keys() - KEYS:
        _refuse(_("There is nothing of that name in a step. There are: %(names)s.") % {"names": _KEY_NAMES}, str(name))
    kind, params = one.get("kind"), one.get("params", {})
    is_enabled, note = one.get("is_enabled", True), one.get("note", "")
    if not isinstance(kind, str) or not kind:
        _refuse(_("This is needed."), "kind")
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        _refuse(_("Parameters are an object."), "params")
    if not isinstance(is_enabled, bool):
        _refuse(_("This is true or false."), "is_enabled")
    if not isinstance(note, str) or len(note) > LONGEST_NOTE or "\0" in note:
        _refuse(_("A note is a text of at most %(most)d characters.") % {"most": LONGEST_NOTE}, "note")
    return Planned(make_step(kind, params), is_enabled, note)


_KEY_NAMES = ", ".join(sorted(KEYS))


def _after(planned: Planned, schema: Schema) -> Schema:
    if not planned.is_enabled:
        return schema
    after = planned.step.out_schema(schema)
    if len(after) > MOST_COLUMNS:
        raise Invalid(_("These would be more than %(most)d columns.") % {"most": MOST_COLUMNS}, code="too_many_columns")
    for name in after.keys() - schema.keys():
        if not name or name.startswith("__"):
            said = _("No column may be called “%(name)s”: it has a name, which does not begin with “__”.")
            raise Invalid(said % {"name": name}, code="reserved_name")
    columns_of(after)
    return after


def _placed(error: Invalid, place: int) -> dict[str, str]:
    """Give what is wrong by where it stands in the list of steps."""
    fields = error.fields or {"": error.message}
    return {f"steps.{place}.{name}".rstrip("."): text for name, text in fields.items()}


def _told(wrong: Mapping[str, str]) -> str:
    where, text = next(iter(wrong.items()))
    return _("Step %(number)d: %(text)s") % {"number": int(where.split(".")[1]) + 1, "text": text}


def _refuse(said: str, field: str) -> NoReturn:
    raise Invalid(said, fields={field: said})
