"""The rows behind the figures of an evaluation: filtered, piece by piece within a time, and on with the next request.

Polars and Arrow are loaded by whoever shows the first rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid
from datasets.browsing.rows import plain_rows
from datasets.browsing.searching import Search
from datasets.content import local_path
from datasets.engines.table import ROW
from files.services import open_blob
from inference.evaluating import COMPARED, KINDS
from inference.evaluating.answers import SLICE
from inference.evaluating.parts import CHUNK_ROWS
from inference.evaluating.plan import Plan
from registry.measures.catalogue import CLASSIFICATION
from registry.models import Evaluation

BUDGET_S = 0.25
LONGEST = 400
NONE = "–"  # asks for rows without an answer
_SHOWN = ("row", "right", "answer", "error", "is_wrong", "score", "difference", "ms")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are asked for; `kind` is one of `KINDS`, empty texts ask for nothing."""

    kind: str = ""
    right: str = ""
    answer: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True, slots=True)
class FoundRows:
    """What a request found. `searched` rows lie behind; `next_place` is where to go on, None at the end."""

    rows: list[dict[str, Any]]
    searched: int
    total: int
    next_place: int | None


def find_rows(
    *, evaluation: Evaluation, wanted: Wanted, place: int = 0, most: int = 25, budget_s: float = BUDGET_S
) -> FoundRows:
    """Look from a place on until `most` rows are found or the time is used up.

    Raises Conflict before there are answers, Invalid for a question that has no answer here.
    """
    if evaluation.answers is None:
        raise Conflict(_("The evaluation has no answers yet."), code="not_finished")
    _check(evaluation, wanted)
    other = evaluation.baseline.answers if evaluation.baseline else None
    with ExitStack() as stack:
        own = pq.ParquetFile(stack.enter_context(open_blob(evaluation.answers)))
        beside = pq.ParquetFile(stack.enter_context(open_blob(other))) if other else None
        return _Search(evaluation, wanted, own, beside).run(place, most, budget_s)


def _check(evaluation: Evaluation, wanted: Wanted) -> None:
    if wanted.kind not in ("", *KINDS):
        _refuse("kind", _("This must be one of: %(names)s.") % {"names": ", ".join(KINDS)})
    if wanted.kind in COMPARED and evaluation.baseline is None:
        _refuse("kind", _("This evaluation was compared with no other version."))
    if wanted.kind in ("nearer", "further") and evaluation.task == CLASSIFICATION:
        _refuse("kind", _("Only answers that are numbers are nearer or further away."))
    if unknown := set(wanted.slices) - set(Plan.from_dict(evaluation.options).slices):
        _refuse("slice", _("The evaluation was not divided by “%(column)s”.") % {"column": min(unknown)[:100]})


class _Search:
    def __init__(
        self, evaluation: Evaluation, wanted: Wanted, own: pq.ParquetFile, beside: pq.ParquetFile | None
    ) -> None:
        self._wanted, self._own, self._beside = wanted, own, beside
        self._data = evaluation.dataset_version
        plan = Plan.from_dict(evaluation.options)
        self._types = {one["name"]: one["type"] for one in self._data.columns}
        self._inputs = [name for name in dict.fromkeys(plan.inputs.values()) if name in self._types]
        names = own.schema_arrow.names
        self._columns = [name for name in (*_SHOWN, *(SLICE + column for column in plan.slices)) if name in names]

    def run(self, place: int, most: int, budget_s: float) -> FoundRows:
        """Look through the row groups from the one that holds the place on."""
        until, at = monotonic() + budget_s, place
        found: list[dict[str, Any]] = []
        total = self._own.metadata.num_rows
        for group in range(place // CHUNK_ROWS, self._own.num_row_groups):
            first = group * CHUNK_ROWS
            table = self._group(group)
            places = np.flatnonzero(self._mask(table))
            rows = self._with_values(table, places[places >= at - first], most - len(found))
            found += rows
            if len(found) >= most:
                at = first + rows[-1]["place"] + 1
                break
            at = first + table.num_rows
            if monotonic() > until:
                break
        return FoundRows(found, min(at, total), total, at if at < total else None)

    def _group(self, group: int) -> pa.Table:
        table = self._own.read_row_group(group, self._columns)
        if self._beside is None:
            return table
        names = [name for name in ("answer", "is_wrong", "difference") if name in table.column_names]
        other = self._beside.read_row_group(group, names)
        table = table.append_column("other", other["answer"]).append_column("other_is_wrong", other["is_wrong"])
        return table.append_column("other_difference", other["difference"]) if "difference" in names else table

    def _mask(self, table: pa.Table) -> np.ndarray:
        wanted = self._wanted
        mask = np.ones(table.num_rows, bool)
        if wanted.kind:
            mask &= self._of_kind(table)
        for name, value in (("right", wanted.right), ("answer", wanted.answer)):
            if value:
                mask &= _is(table[name], value)
        for column, value in wanted.slices.items():
            texts = table[SLICE + column]
            mask &= _true(pc.equal(texts, value)) if value else ~_true(texts.is_valid()) | _true(pc.equal(texts, ""))
        return mask

    def _of_kind(self, table: pa.Table) -> np.ndarray:
        wrong = table["is_wrong"]
        masks: dict[str, Callable[[], pa.ChunkedArray]] = {
            "wrong": lambda: wrong,
            "right": lambda: pc.invert(wrong),
            "unanswered": table["answer"].is_null,
            "unlabelled": table["right"].is_null,
            "became_right": lambda: pc.and_(pc.invert(wrong), table["other_is_wrong"]),
            "became_wrong": lambda: pc.and_(wrong, pc.invert(table["other_is_wrong"])),
            "nearer": lambda: pc.less(*_distances(table)),
            "further": lambda: pc.greater(*_distances(table)),
        }
        return _true(masks[self._wanted.kind]())

    def _with_values(self, table: pa.Table, places: np.ndarray, most: int) -> list[dict[str, Any]]:
        """Give the first rows at these places with the values of their inputs; words narrow them further."""
        if not self._wanted.words.strip():
            places = places[:most]
        if not len(places):
            return []
        numbers = table["row"].to_numpy()[places]
        values = self._values(numbers, most)
        kept = [place for place, number in zip(places.tolist(), numbers.tolist(), strict=True) if number in values]
        if not kept:
            return []
        shown = table.take(pa.array(kept[:most])).to_pylist()
        return [
            {"place": place, **row, "values": values[row["row"]]} for place, row in zip(kept[:most], shown, strict=True)
        ]

    def _values(self, numbers: np.ndarray, most: int) -> dict[int, dict[str, Any]]:
        words = self._wanted.words.strip()
        texts = tuple(name for name in self._inputs if self._types[name] == "text")
        condition = Search(words=words, columns=texts).condition(self._types) if words else pl.lit(True)
        low, high = int(numbers.min()), int(numbers.max())
        parts = self._data.parts.filter(first_row__lte=high).select_related("blob").order_by("number")
        found: dict[int, dict[str, Any]] = {}
        for part in parts:
            if part.first_row + part.rows <= low:
                continue
            start = max(0, low - part.first_row)
            frame = pl.scan_parquet(local_path(part.blob), glob=False).slice(start, high + 1 - part.first_row - start)
            own = frame.with_row_index(ROW, part.first_row + start).filter(
                pl.col(ROW).is_in(numbers.tolist()), condition
            )
            shown = own.head(most).select(ROW, *(_cut(name, self._types[name]) for name in self._inputs)).collect()
            found |= {row["row"]: row["values"] for row in plain_rows(shown)}
        return found


def _distances(table: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Give how far both answers are off, in rows where both are known; nothing where one is not finite."""
    mine, theirs = pc.abs(table["difference"]), pc.abs(table["other_difference"])
    is_known = pc.and_(pc.is_finite(mine), pc.is_finite(theirs))
    return pc.if_else(is_known, mine, None), theirs


def _cut(name: str, kind: str) -> pl.Expr:
    column = pl.col(name)
    if kind == "text":
        return column.str.slice(0, LONGEST)
    return column.list.head(8) if kind.startswith("list") else column


def _is(column: pa.ChunkedArray, value: str) -> np.ndarray:
    if value == NONE:
        return _true(column.is_null())
    if not pa.types.is_string(column.type):
        try:
            return _true(pc.equal(column, float(value)))
        except ValueError:
            return np.zeros(len(column), bool)
    return _true(pc.equal(column, value))


def _true(column: pa.ChunkedArray) -> np.ndarray:
    """Give where a condition surely holds."""
    return column.fill_null(False).to_numpy()


def _refuse(name: str, said: str) -> None:
    raise Invalid(said, fields={name: said})
