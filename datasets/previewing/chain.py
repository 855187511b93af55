"""The steps of a recipe on a few rows, one after the other, each with what it did. Runs in a process of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from django.utils.translation import gettext as _

from common.errors import FluemanError, Invalid, NotFound
from datasets.engines.memory import collected
from datasets.engines.table import Table
from datasets.planning import Planned, chain, columns_of, read_step, schema_of
from datasets.previewing.tracing import Comparison, TracedTable
from datasets.steps.base import Schema

MOST_COLUMNS_TOLD = 2000


class Surroundings:
    """What a step may ask for in a preview: rows and files that came with the question, and nothing else."""

    def __init__(self, others: Mapping[str, pl.DataFrame], files: Mapping[str, bytes]) -> None:
        self._others, self._files = dict(others), dict(files)
        self.told: dict[str, Any] = {}

    def other(self, version_id: str) -> Table:
        """Give the first rows of another version. Raises NotFound."""
        if version_id not in self._others:
            raise NotFound(_("There is no such dataset version."))
        return TracedTable.of(self._others[version_id])

    def columns_of(self, version_id: str) -> Schema:
        """Give the columns of another version. Raises NotFound."""
        return self.other(version_id).schema

    def artefact(self, reference: str) -> bytes:
        """Give a file that an earlier step kept, or that came with the question. Raises NotFound."""
        if reference not in self._files:
            raise NotFound(_("There is no such file of a step."))
        return self._files[reference]

    def keep(self, name: str, content: bytes) -> str:
        """Keep a file for the steps after this one."""
        digest = hashlib.sha256(content).hexdigest()
        self._files[digest] = self._files[name] = content
        return digest

    def key(self, purpose: str) -> bytes:
        """Give a key that no run has."""
        return hashlib.sha256(f"preview {purpose}".encode()).digest()

    def report(self, **facts: Any) -> None:
        """Add to the report of the step."""
        self.told.update(facts)


def follow(question: Mapping[str, Any], frame: pl.DataFrame, around: Surroundings) -> Iterator[dict[str, Any]]:
    """Give what each step says and does: first all schemas and errors, then each step as it is done.

    `question` has `steps`, `columns` of the version and `selected`, the step whose rows are wanted (-1: none).
    """
    planned, errors = _read(question["steps"])
    schemas, error = chain(planned, schema_of(question["columns"]), around.columns_of)
    errors = {**(error.fields if error else {}), **errors}
    yield {"schemas": [_columns(one) for one in schemas], "errors": errors}
    table: TracedTable = TracedTable((frame,))
    for place in range(len(schemas) - 1):
        if not planned[place].is_enabled:
            yield {"place": place, "state": "off"}
            continue
        yield {"place": place, "state": "running"}
        table, told = _done(planned[place], table, around, place == question["selected"])
        yield {"place": place, **told}
        if told["state"] == "failed":
            return


def _read(raw: list[Any]) -> tuple[list[Planned], dict[str, str]]:
    """Read the steps up to the first that is not filled in yet, and say what is wrong with any."""
    planned: list[Planned] = []
    errors: dict[str, str] = {}
    for place, one in enumerate(raw):
        try:
            step = read_step(one, place)
        except Invalid as error:
            errors |= error.fields
            continue
        if not errors:
            planned.append(step)
    return planned, errors


def _done(
    planned: Planned, table: TracedTable, around: Surroundings, is_selected: bool
) -> tuple[TracedTable, dict[str, Any]]:
    begun = time.monotonic()
    around.told = {}
    before = collected(table)
    try:
        given = planned.step.run(TracedTable((before,)), around)
        after = collected(given)
    except (FluemanError, pl.exceptions.PolarsError, ValueError, ArithmeticError, MemoryError) as error:
        return table, {"state": "failed", "error": _told(error)}
    moves = given.moves if isinstance(given, TracedTable) else []
    compared = Comparison.of(before, after, moves)
    told: dict[str, Any] = {"state": "done", "ms": round((time.monotonic() - begun) * 1000), **compared.facts()}
    told["report"] = _small(around.told)
    if is_selected:
        told["shown"] = compared.shown()
    return TracedTable((after,)), told


def _columns(schema: Schema) -> list[dict[str, str]]:
    return columns_of(dict(list(schema.items())[:MOST_COLUMNS_TOLD]))


def _told(error: Exception) -> str:
    if isinstance(error, FluemanError):
        return error.message
    if isinstance(error, MemoryError):
        return _("The step needs more memory than a preview has.")
    return _("The step stopped: %(problem)s") % {"problem": str(error)[:300] or type(error).__name__}


def _small(value: Any, depth: int = 0) -> Any:
    """Give a report that fits a page."""
    if isinstance(value, str):
        return value[:300]
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < 3 and isinstance(value, Mapping):
        return {str(name)[:100]: _small(one, depth + 1) for name, one in list(value.items())[:30]}
    if depth < 3 and isinstance(value, list | tuple):
        return [_small(one, depth + 1) for one in value[:20]]
    return str(value)[:300]
