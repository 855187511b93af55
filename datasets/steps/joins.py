"""Steps that bring in the rows of another dataset version: beside these, or after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import KEY, ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, at, column_of, columns_of, new_column, other_schema, step
from datasets.steps.comparing import digests

_IS_OTHER, _MATCHED, _BY, _TAKEN, _REST = "__is_other", "__matched", "__by", "__taken", "__rest"
_BESIDE = ("left", "inner")


@step
@dataclass(frozen=True)
class Join(Step):
    """Columns of another version beside the rows that have the same key."""

    kind, label, family, icon = "join", _("Join with another dataset"), "datasets", "join"
    help = _(
        "Looks each row up in another dataset version by the values of some columns, and brings columns of "
        "it along, or only keeps the rows that are, or are not, found there. A missing value equals "
        "nothing. In the preview only the first rows of the other version are looked at."
    )
    version: str = params.text(_("other version"), form="version")
    keys: tuple[str, ...] = params.columns(_("columns that must be equal"))
    other_keys: tuple[str, ...] = params.lines(
        _("their names in the other version"),
        default=(),
        help=_("A line for each column, in the same order; empty: the same names."),
    )
    how: str = params.choice(
        _("rows"),
        [
            ("left", _("all, with what is found")),
            ("inner", _("those that are found, with what is found")),
            ("semi", _("those that are found")),
            ("anti", _("those that are not found")),
        ],
        default="left",
    )
    take: tuple[str, ...] = params.lines(
        _("columns to bring along"),
        default=(),
        help=_("A line for each; empty: all but the key."),
        shown_if=("how", _BESIDE),
    )
    several: str = params.choice(
        _("several rows of the other version with one key"),
        [("first", _("the first counts")), ("fail", _("stop the job"))],
        default="first",
        shown_if=("how", _BESIDE),
    )
    suffix: str = params.text(_("added to names that are there already"), default="_2", shown_if=("how", _BESIDE))

    def out_schema(self, schema: Schema) -> Schema:
        """The columns that are brought along follow."""
        other = other_schema(self.version, parameter="version")
        self._check(schema, other)
        return {**schema, **{new: other[old] for old, new in self._names(schema, other).items()}}

    def _check(self, schema: Schema, other: Schema) -> None:
        columns_of(schema, self.keys, parameter="keys")
        theirs = self.other_keys or self.keys
        if len(theirs) != len(self.keys):
            said = gettext("These must be as many as the columns that must be equal.")
            raise Invalid(said, fields={"other_keys": said})
        for name, their in zip(self.keys, theirs, strict=True):
            kind = column_of(other, their, parameter="other_keys" if self.other_keys else "keys")
            if kind != schema[name] or isinstance(kind, pl.List):
                said = gettext("“%(name)s” is of type %(type)s here and %(other)s there; change the type first.")
                said %= {"name": name, "type": schema[name], "other": kind}
                raise Invalid(said, code="wrong_type", fields={"keys": said})

    def _names(self, schema: Schema, other: Schema) -> Mapping[str, str]:
        """Give the columns to bring along, each with the name that it gets."""
        if self.how not in _BESIDE:
            return {}
        taken = self.take or [name for name in other if name not in (self.other_keys or self.keys)]
        names = {name: f"{name}{self.suffix}" if name in schema else name for name in taken}
        for old, new in names.items():
            column_of(other, old, parameter="take")
            new_column(new, parameter="suffix")
            if new in schema or list(names.values()).count(new) > 1:
                said = gettext("There would be two columns called “%(name)s”.") % {"name": new}
                raise Invalid(said, fields={"suffix": said})
        return names

    def run(self, table: Table, context: Context) -> Table:
        """Let the rows of both meet by their keys, then attach what was found."""
        other = context.other(self.version)
        self._check(table.schema, other.schema)
        names = self._names(table.schema, other.schema)
        kinds = {old: other.schema[old] for old in names}
        ours = table.map(partial(_side, self.keys, kinds, False))
        both = ours.concat(other.map(partial(_side, self.other_keys or self.keys, kinds, True)))
        found = both.exchange(partial(_keyed, len(self.keys)), self.decide)
        context.report(rows_found=found.count())
        if self.how != "left":
            table = table.attach(found, "anti" if self.how == "anti" else "semi")
        return table.attach(found).map(partial(_named, names)) if self.how in _BESIDE else table

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Give each of our rows what it finds. Raises Invalid if one key finds several and must not."""
        group = [KEY, _REST]
        theirs = keys.filter(pl.col(_IS_OTHER))
        ours = keys.filter(~pl.col(_IS_OTHER)).select(ROW, *group)
        if self.several == "fail" and self.how in _BESIDE:
            self._refuse(theirs.join(ours, on=group, how="semi"), group)
        values = [name for name in keys.columns if name.startswith(_TAKEN)]
        first = theirs.unique(group, keep="first", maintain_order=True).select(*group, *values)
        return ours.join(first, on=group, maintain_order="left").drop(group)

    def _refuse(self, theirs: pl.DataFrame, group: list[str]) -> None:
        twice = theirs.filter(pl.struct(group).is_duplicated())
        if len(twice):
            values = ", ".join(str(twice[f"{_BY}{place}"][0])[:100] for place in range(len(self.keys)))
            said = gettext("The other version has several rows with the key “%(key)s”.") % {"key": values}
            raise Invalid(said, code="several_rows", fields={"several": said})


def _side(keys: tuple[str, ...], taken: Mapping[str, pl.DataType], is_other: bool, frame: pl.DataFrame) -> pl.DataFrame:
    """Give what the keys and values of rows are, in the same columns for both sides."""
    by = [at(name).alias(f"{_BY}{place}") for place, name in enumerate(keys)]
    values = [
        (at(name) if is_other else pl.lit(None, kind)).alias(f"{_TAKEN}{place}")
        for place, (name, kind) in enumerate(taken.items())
    ]
    has_key = pl.all_horizontal([pl.col(one.meta.output_name()).is_not_null() for one in by])
    return frame.select(ROW, pl.lit(is_other).alias(_IS_OTHER), *by, *values).filter(has_key)


def _keyed(keys: int, frame: pl.DataFrame) -> pl.DataFrame:
    key, rest = digests(frame, [f"{_BY}{place}" for place in range(keys)], ())
    return frame.with_columns(pl.Series(KEY, key), pl.Series(_REST, rest))


def _named(names: Mapping[str, str], frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename({f"{_TAKEN}{place}": new for place, new in enumerate(names.values())})


@step
@dataclass(frozen=True)
class Append(Step):
    """The rows of another version after these."""

    kind, label, family, icon = "append", _("Append another dataset"), "datasets", "playlist_add"
    help = _(
        "Puts the rows of another dataset version after these. Columns that only one of the two has are "
        "missing in the rows of the other."
    )
    version: str = params.text(_("other version"), form="version")
    columns: str = params.choice(
        _("columns"),
        [("all", _("of both")), ("ours", _("only those that are here")), ("common", _("only those that both have"))],
        default="all",
    )
    origin: str = params.text(_("column that says where a row is from"), default="", help=_("Empty: none."))

    def out_schema(self, schema: Schema) -> Schema:
        """The columns of both."""
        return self._joined(schema, other_schema(self.version, parameter="version"))

    def _joined(self, schema: Schema, other: Schema) -> dict[str, pl.DataType]:
        for name in schema.keys() & other.keys():
            if schema[name] != other[name]:
                said = gettext("“%(name)s” is of type %(type)s here and %(other)s there; change the type first.")
                said %= {"name": name, "type": schema[name], "other": other[name]}
                raise Invalid(said, code="wrong_type", fields={"version": said})
        joined = {"all": {**schema, **other}, "ours": dict(schema)}.get(self.columns)
        found = joined or {name: kind for name, kind in schema.items() if name in other}
        if not found:
            said = gettext("The two have no column in common.")
            raise Invalid(said, fields={"columns": said})
        if self.origin:
            found[new_column(self.origin, parameter="origin")] = pl.String()
        return found

    def run(self, table: Table, context: Context) -> Table:
        """Bring both to the same columns, then put one after the other."""
        other = context.other(self.version)
        kinds = self._joined(table.schema, other.schema)
        ours, theirs = (partial(_filled, kinds, {self.origin: where}) for where in ("this", self.version))
        return table.map(ours).concat(other.map(theirs))


def _filled(kinds: Mapping[str, pl.DataType], fixed: Mapping[str, Any], frame: pl.DataFrame) -> pl.DataFrame:
    made = []
    for name, kind in kinds.items():
        value = at(name) if name in frame.columns and name not in fixed else pl.lit(fixed.get(name), kind)
        made.append(value.alias(name))
    return frame.select(ROW, *made)
