"""Rows in part files of this machine: functions wait until a pass over the files is due, and then go together.

Memory holds a few parts at a time, whatever the size of the table: rows are brought together, joined and sorted through
sorted files (`datasets/engines/runs.py`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, overload

import polars as pl

from datasets.engines.chain import SAMPLED_PARTS, Account, Op, apply
from datasets.engines.memory import collected
from datasets.engines.parts import PART_BYTES, PART_ROWS, PartWriter, written
from datasets.engines.runs import Runs, mixed, read_frame, write_frame, write_run
from datasets.engines.table import KEY, MOST_WIDENED, ROW, WIDENED, FrameFunction, State, Table
from datasets.engines.workshop import Marker, Workshop, once

MIX = "__mix"
MOST_KEYS = 4_000_000  # of a frame in which keys meet
How = Literal["left", "semi", "anti"]
Side = Callable[[pl.DataFrame, Path], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file; with `first_row` they are numbered from there."""

    path: Path
    rows: int
    last_row: int
    first_row: int | None = None
    offset: int = 0

    def read(self) -> pl.DataFrame:
        """Give the rows with their `ROW`."""
        if self.path.suffix == ".arrow":
            frame = read_frame(self.path)
        else:  # Parquet; blobs have no suffix
            frame = pl.scan_parquet(self.path).slice(self.offset, self.rows).collect()
        if self.first_row is None:
            return frame
        numbers = pl.int_range(self.first_row, self.first_row + len(frame), dtype=pl.Int64, eager=True)
        return frame.with_columns(numbers.alias(ROW))


class LocalTable(Table):
    """Rows in parts, or another table and what is to be done to it; once done, it is rows in parts."""

    def __init__(
        self,
        shop: Workshop,
        parts: Sequence[Part] | None = None,
        *,
        source: LocalTable | None = None,
        op: Op | None = None,
        is_ordered: bool = True,
        owners: Sequence[LocalTable] = (),
    ) -> None:
        self._shop, self._parts, self._source, self._op = shop, parts, source, op
        self._is_ordered = is_ordered
        self._owners = owners  # of the files: they go when nobody holds these
        self._by_row: Runs | None = None

    @classmethod
    def of(cls, shop: Workshop, files: Sequence[tuple[Path, int]]) -> LocalTable:
        """Make a table of Parquet files, each with its number of rows."""
        parts, first = [], 0
        for path, rows in files:
            for offset in range(0, rows, PART_ROWS) if rows else [0]:
                some = min(PART_ROWS, rows - offset)
                parts.append(Part(path, some, first + offset + some - 1, first + offset, offset))
            first += rows
        return cls(shop, parts)

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Columns and their types: what becomes of no rows."""
        parts, ops = self._plan()
        empty = apply(parts[0].read().clear(), ops, Account())
        return {name: kind for name, kind in empty.schema.items() if name != ROW}

    def map(self, function: FrameFunction) -> LocalTable:
        """Wait with the function until there is a pass."""
        return self._then(Op(self._shop.step, function))

    def widen(self, function: FrameFunction) -> LocalTable:
        """Wait with the function, once there is room."""
        return self.roomy()._then(Op(self._shop.step, function, is_wide=True))

    def roomy(self) -> LocalTable:
        """Number the rows anew where their numbers are too large; rows are looked at only where they may be."""
        if self._last_row() < MOST_WIDENED or (self._settled() and self._last_row() < MOST_WIDENED):
            return self
        table = self if self._is_ordered else self._arranged()
        return LocalTable(self._shop, _numbered(table._settled(), 0), owners=(table,))

    def ended(self, step: int) -> LocalTable:
        """Count the rows here as those after a step."""
        return self._then(Op(step, None))

    def fold(self, gather: Callable[[pl.DataFrame], State], merge: Callable[[Sequence[State]], State]) -> State:
        """Keep what is gathered in a file each, so that only what `merge` holds is held."""
        paths = self._pass("fold", partial(_gather, gather))
        return merge(_States(paths))

    def exchange(self, keyed: FrameFunction, decide: FrameFunction) -> LocalTable:
        """Sort the keys, mixed, into files, and read range by range what has some keys and all of their rows."""
        found = Runs(tuple(self._pass("keys", partial(_write_keys, keyed))), MIX)
        return self._ranged("decide", found, partial(_decide, decide), most_rows=MOST_KEYS, is_ordered=False)

    def attach(self, facts: Table | pl.DataFrame, how: How = "left") -> LocalTable:
        """Join each frame with the facts between its first row and its last."""
        if not isinstance(facts, LocalTable):
            found = facts if isinstance(facts, pl.DataFrame) else collected(facts)
            return self.map(partial(_join, found, how))
        left = self if self._is_ordered else self._arranged()
        return left.map(_Attach(facts._runs(), how, facts))

    def reorder(self, position: Callable[[pl.DataFrame], pl.Series]) -> LocalTable:
        """Sort by position into files, and read these range by range."""
        return self.map(partial(_place, position))._arranged()

    def concat(self, other: Table) -> LocalTable:
        """Number the others on from the last row."""
        parts = list(self._settled())
        theirs = cast(LocalTable, other).map(partial(_choose, parts[0].read().columns))
        parts += _numbered(theirs._settled(), self._last_row() + 1)
        return LocalTable(self._shop, parts, is_ordered=self._is_ordered, owners=(self, theirs))

    def count(self) -> int:
        """Give the number of rows."""
        return sum(part.rows for part in self._settled())

    def write(self, writer: PartWriter) -> None:
        """Give all rows in order to a writer."""
        for part in self._settled():
            writer.add(part.read())

    def _plan(self) -> tuple[Sequence[Part], list[Op]]:
        """Give the parts that there are, and what is to be done to them."""
        table, ops = self, []
        while table._parts is None:
            ops.append(cast(Op, table._op))
            table = cast(LocalTable, table._source)
        return table._parts, ops[::-1]

    def _last_row(self) -> int:
        """Give the largest number that a row may have; once the table is settled, one that a row has."""
        parts, ops = self._plan()
        last = max((part.last_row for part in parts if part.rows), default=-1)
        wider: int = WIDENED ** sum(op.is_wide for op in ops)
        return (last + 1) * wider - 1

    def _settled(self) -> Sequence[Part]:
        if self._parts is None:
            self._pass("rows")
        return cast(Sequence[Part], self._parts)

    def _pass(self, name: str, side: Side | None = None, *, is_kept: bool = True) -> list[Path]:
        """Do what waits to each part and keep the rows, with a file for each of what `side` makes of them."""
        parts, ops = self._plan()
        shop, stage, is_kept = self._shop, self._shop.stage(name), bool(is_kept and ops)

        found = shop.each(stage, parts, _Pass(stage, ops, side, is_kept, self._is_ordered), ops)
        if is_kept:
            made = _parts(stage, found)
            self._parts = [part for part in made if part.rows] or made[:1]
            self._source = None
            shop.holding(self, [part.path for part in made])
        return [stage / f"{number:06d}.side" for number in range(len(found))] if side else []

    def _runs(self) -> Runs:
        """Give the rows as files sorted by `ROW`."""
        if self._by_row is None:
            self._by_row = Runs(tuple(self._pass("facts", _write_rows)), ROW)
            self._shop.holding(self, self._by_row.paths)
        return self._by_row

    def _arranged(self) -> LocalTable:
        """Give the rows in the order of `ROW`."""
        runs = Runs(tuple(self._pass("sort", _write_rows, is_kept=False)), ROW)
        return self._ranged("sorted", runs, None, most_rows=PART_ROWS, is_ordered=True)

    def _ranged(
        self, name: str, runs: Runs, make: FrameFunction | None, *, most_rows: int, is_ordered: bool
    ) -> LocalTable:
        """Give what is made of each range of some files, which go then."""
        shop, stage = self._shop, self._shop.stage(name)
        ranges = once(stage / "ranges.json", lambda: _ranges(runs, most_rows))

        made = _parts(stage, shop.each(stage, ranges, _Ranging(stage, runs, Op(shop.step, make))))
        shop.holding(runs, runs.paths)
        table = LocalTable(shop, made, is_ordered=is_ordered)
        shop.holding(table, [part.path for part in made])
        return table

    def _then(self, op: Op) -> LocalTable:
        return LocalTable(self._shop, source=self, op=op, is_ordered=self._is_ordered)


class _States(Sequence[Any]):
    """What was gathered, each read when it is asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return _States(self._paths[place])
        return pickle.loads(self._paths[place].read_bytes())  # noqa: S301 - written by this very run


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over a part: what waits is done to it, its rows are kept, something is made of them."""

    stage: Path
    ops: Sequence[Op]
    side: Side | None
    is_kept: bool
    is_ordered: bool

    def __call__(self, part: Part, number: int, account: Account) -> Marker:
        sampled = {op.step for op in self.ops} if number < SAMPLED_PARTS else set()
        frame = apply(part.read(), self.ops, account, sampled)
        if self.is_kept:
            if self.is_ordered and not frame[ROW].is_sorted():
                raise RuntimeError("a step gives rows in another order")
            write_frame(frame, self.stage / f"{number:06d}.arrow")
        if self.side:
            self.side(frame, self.stage / f"{number:06d}.side")
        return _facts(frame)


@dataclass(frozen=True, slots=True)
class _Ranging:
    """What is made of a range of sorted files."""

    stage: Path
    runs: Runs
    op: Op

    def __call__(self, range_: tuple[int, int], number: int, account: Account) -> Marker:
        frame = apply(self.runs.between(*range_), [self.op], account)
        write_frame(frame, self.stage / f"{number:06d}.arrow")
        return _facts(frame)


class _Attach:
    """Joins a frame with the facts of its rows, and holds the files of these."""

    def __init__(self, runs: Runs, how: How, owner: LocalTable | None) -> None:
        self._runs, self._how, self._owner = runs, how, owner

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        low, high = (cast(int, frame[ROW].min()), cast(int, frame[ROW].max())) if len(frame) else (0, -1)
        return _join(self._runs.between(low, high), self._how, frame)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Attach, (self._runs, self._how, None)  # elsewhere it holds nothing


def _join(facts: pl.DataFrame, how: How, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.join(facts, on=ROW, how=how, maintain_order="left")


def _place(position: Callable[[pl.DataFrame], pl.Series], frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(position(frame).cast(pl.Int64).alias(ROW))


def _choose(columns: list[str], frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(columns)


def _gather(gather: Callable[[pl.DataFrame], Any], frame: pl.DataFrame, path: Path) -> None:
    state = pickle.dumps(gather(frame), pickle.HIGHEST_PROTOCOL)
    written(path, lambda target: target.write_bytes(state))


def _write_keys(keyed: FrameFunction, frame: pl.DataFrame, path: Path) -> None:
    keys = keyed(frame).with_columns(pl.col(KEY).cast(pl.UInt64))
    write_run(keys.with_columns(mixed(keys[KEY]).alias(MIX)), path, [MIX])


def _write_rows(frame: pl.DataFrame, path: Path) -> None:
    write_run(frame, path, [ROW])


def _decide(decide: FrameFunction, frame: pl.DataFrame) -> pl.DataFrame:
    return decide(frame.sort(KEY, ROW).drop(MIX))


def _facts(frame: pl.DataFrame) -> Marker:
    last = frame[ROW].max()
    return {"rows": len(frame), "last": -1 if last is None else last}


def _parts(stage: Path, found: Sequence[Marker]) -> list[Part]:
    return [Part(stage / f"{number:06d}.arrow", one["rows"], one["last"]) for number, one in enumerate(found)]


def _numbered(parts: Sequence[Part], first: int) -> list[Part]:
    """Give the parts that have rows, these numbered from `first` on."""
    found = []
    for part in parts:
        if part.rows:
            found.append(Part(part.path, part.rows, first + part.rows - 1, first, part.offset))
            first += part.rows
    return found


def _ranges(runs: Runs, most_rows: int) -> list[tuple[int, int]]:
    """Give ranges of at most so many rows, fewer where these are heavy; one without rows if there are none."""
    rows = sum(len(read_frame(path)) for path in runs.paths)
    size = sum(path.stat().st_size for path in runs.paths)
    fitting = PART_BYTES * rows // max(1, size)
    return [(one.low, one.high) for one in runs.ranges(min(most_rows, fitting))] or [(0, 0)]
