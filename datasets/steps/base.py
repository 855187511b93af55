"""What a step of a recipe is, and the list of all kinds.

A step is a frozen dataclass: its fields are its parameters (`datasets/steps/params.py`), its methods what it does to
rows. Nothing here knows the database: steps run in jobs, in the preview of the editor, and on nodes of a cluster.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

import polars as pl
from django.utils.translation import gettext

from common.errors import Invalid, NotFound
from datasets.engines.table import Table, is_pattern

Schema = Mapping[str, pl.DataType]
SchemaOf = Callable[[str], Schema]
StepType = TypeVar("StepType", bound="type[Step]")
LONGEST_NAME = 200


class Context(Protocol):
    """What a running step may ask of its surroundings."""

    def other(self, version_id: str) -> Table:
        """Give the rows of another sealed version. Raises NotFound, NotAllowed."""

    def artefact(self, reference: str) -> bytes:
        """Give a file by its SHA-256, or one that a step before this kept by its name. Raises NotFound."""

    def keep(self, name: str, content: bytes) -> str:
        """Keep a file that this step made; give its SHA-256."""

    def key(self, purpose: str) -> bytes:
        """Give 32 bytes that stay the same for a purpose and that nobody else can know."""

    def report(self, **facts: Any) -> None:
        """Add to the report of this step: small, JSON, for people."""


class Step(ABC):
    """One kind of step. `family` groups kinds in the editor, `icon` is a Material symbol.

    What a step with `is_secret_before` takes in is shown in no sample, neither of it nor of the steps before it.
    What a step with `has_calendar` makes may depend on the time zone of the installation (`datasets/steps/zones.py`).
    """

    kind: ClassVar[str]
    label: ClassVar[Any]
    help: ClassVar[Any] = ""
    family: ClassVar[str]
    icon: ClassVar[str] = "tune"
    is_secret_before: ClassVar[bool] = False
    has_calendar: ClassVar[bool] = False

    def out_schema(self, schema: Schema) -> Schema:
        """Give the columns that come out. Raises Invalid, naming the parameter, if the step cannot work on these."""
        return schema

    @abstractmethod
    def run(self, table: Table, context: Context) -> Table:
        """Give the rows after the step."""


class RowStep(Step):
    """A step that looks at each row alone."""

    def prepare(self) -> None:
        """Load what is heavy, once a process, before the first frame."""

    @abstractmethod
    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the frame after the step."""

    def run(self, table: Table, context: Context) -> Table:
        """Do it to every frame."""
        return table.map(self.apply)


_kinds: dict[str, type[Step]] = {}
_schema_of: ContextVar[SchemaOf | None] = ContextVar("schema_of", default=None)


def step(cls: StepType) -> StepType:
    """Register a kind of step."""
    _kinds[cls.kind] = cls
    return cls


def kinds() -> Mapping[str, type[Step]]:
    """Give all kinds by name."""
    _discover()
    return _kinds


def kind_of(name: str) -> type[Step]:
    """Give a kind. Raises Invalid if there is none of that name."""
    if name not in kinds():
        said = gettext("There is no step “%(name)s”.") % {"name": name}
        raise Invalid(said, code="unknown_step", fields={"kind": said})
    return _kinds[name]


@cache
def _discover() -> None:
    """Import every module of this folder: each registers its kinds."""
    import datasets.steps as folder  # noqa: PLC0415 - the folder that holds this module

    for module in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
        importlib.import_module(module.name)


def column_of(schema: Schema, name: str, *, parameter: str, wanted: str = "") -> pl.DataType:
    """Give the type of a column. Raises Invalid, naming the parameter, if there is none, or none of that type.

    `wanted` is `text`, `number` or empty for any.
    """
    if name not in schema:
        near = ", ".join(list(schema)[:20])
        said = gettext("There is no column “%(name)s”. There are: %(columns)s.") % {"name": name, "columns": near}
        raise Invalid(said, code="unknown_column", fields={parameter: said})
    kind = schema[name]
    if (wanted == "text" and kind != pl.String) or (wanted == "number" and not kind.is_numeric()):
        words = {"text": gettext("text"), "number": gettext("a number")}
        said = gettext("The column “%(name)s” is of type %(type)s, not %(wanted)s.") % {
            "name": name,
            "type": kind,
            "wanted": words[wanted],
        }
        raise Invalid(said, code="wrong_type", fields={parameter: said})
    return kind


def columns_of(schema: Schema, names: Sequence[str], *, parameter: str, wanted: str = "") -> list[str]:
    """Give chosen columns, each once. Raises Invalid, naming the parameter, as `column_of`."""
    for name in names:
        column_of(schema, name, parameter=parameter, wanted=wanted)
    return list(dict.fromkeys(names))


def text_columns(schema: Schema, names: Sequence[str], *, parameter: str = "columns") -> list[str]:
    """Give the chosen columns, or all of text if none is chosen. Raises Invalid, naming the parameter."""
    every = [name for name, kind in schema.items() if kind == pl.String]
    return columns_of(schema, names, parameter=parameter, wanted="text") if names else every


def new_column(name: str, *, parameter: str) -> str:
    """Give the name of a column that a step makes. Raises Invalid, naming the parameter, for one that none may have."""
    if not name or name.startswith("__") or len(name) > LONGEST_NAME:
        said = gettext("A column has a name of at most %(most)d characters that does not begin with “__”.")
        said %= {"most": LONGEST_NAME}
        raise Invalid(said, code="reserved_name", fields={parameter: said})
    if is_pattern(name):
        said = gettext("“%(name)s” is a pattern, and no name of a column.") % {"name": name}
        raise Invalid(said, code="reserved_name", fields={parameter: said})
    return name


def at(name: str) -> pl.Expr:
    """Give the column of exactly this name, also where Polars would see a pattern in it (`*`, `^a$`)."""
    return pl.col(f"^{re.escape(name)}$") if is_pattern(name) else pl.col(name)


@contextmanager
def other_versions(schema_of: SchemaOf | None) -> Iterator[None]:
    """Let `out_schema` ask for the columns of other versions, by id; `schema_of` raises NotFound."""
    token = _schema_of.set(schema_of)
    try:
        yield
    finally:
        _schema_of.reset(token)


def other_schema(version_id: str, *, parameter: str) -> Schema:
    """Give the columns of another sealed version. Raises Invalid, naming the parameter, if there is none."""
    schema_of = _schema_of.get()
    try:
        if schema_of:
            return schema_of(version_id)
    except NotFound:
        pass
    said = gettext("There is no sealed version “%(id)s”.") % {"id": version_id[:100]}
    raise Invalid(said, code="no_version", fields={parameter: said})
