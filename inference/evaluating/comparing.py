"""Two versions over the same rows: which rows they answer differently, and how sure it is that one is better.

Numbers that come from counts of labels are drawn anew by groups of equal rows, sums of losses by blocks of rows
(`registry/measures/significance.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inference.evaluating.answers import SLICE
from inference.evaluating.labels import Labels
from inference.evaluating.slicing import Slices
from registry.measures.catalogue import CLASSIFICATION, METRICS
from registry.measures.classification import Tally, metrics_of
from registry.measures.significance import bootstrap, bootstrap_sums, mcnemar, wilcoxon

BLOCKS = 20_000
MOST_RANKED = 20_000_000
LOSSES = ("log_loss", "brier")


def compare(task: str, own: BinaryIO, other: BinaryIO) -> dict[str, Any]:
    """Give the comparison of answers to those of another version, both as `judging` keeps them, of the same rows."""
    if task == CLASSIFICATION:
        return _Labelled(own, other).found()
    return _numbers(own, other)


class _Same:
    """What we call the labels of another version, told by the right answers of the same rows: ids may differ."""

    def __init__(self, own: pq.ParquetFile, other: pq.ParquetFile) -> None:
        self._ours: dict[str, str] = {}
        for one, two in _pairs(own, other, ["right"], ["right"]):
            both = pa.table({"ours": one["right"].cast(pa.string()), "theirs": two["right"].cast(pa.string())})
            for pair in both.drop_null().group_by(["theirs", "ours"]).aggregate([]).to_pylist():
                self._ours[pair["theirs"]] = pair["ours"]
        self._taken = set(self._ours.values())

    def __call__(self, label: str) -> str:
        """Give our label; one that is never right is wrong by any name, but must not bear that of another."""
        return self._ours.get(label) or (f"{label} (elsewhere)" if label in self._taken else label)


class _Labelled:
    def __init__(self, own: BinaryIO, other: BinaryIO) -> None:
        self._labels = Labels(most=math.inf)  # the judges of both had their limits
        self._cells: Counter[tuple[int, int, int]] = Counter()
        self._own, self._other = pq.ParquetFile(own), pq.ParquetFile(other)
        self._same = _Same(self._own, self._other)
        both = set(self._own.schema_arrow.names) & set(self._other.schema_arrow.names)
        self._losses = [name for name in LOSSES if name in both]
        self._sums = _Blocks(1 + 2 * len(self._losses), self._own.metadata.num_rows)
        self._slices = {name.removeprefix(SLICE): Slices() for name in sorted(both) if name.startswith(SLICE)}

    def found(self) -> dict[str, Any]:
        """Give the differences, the test, and how many rows changed."""
        columns = ["right", "answer", *self._losses]
        slices = [SLICE + column for column in self._slices]
        at = 0
        for own, other in _pairs(self._own, self._other, [*columns, *slices], columns):
            self._count(own, other, at)
            at += own.num_rows
        if not self._cells:
            return {"rows": 0, "metrics": {}}
        right, mine, theirs = np.array(list(self._cells), np.int64).T
        counts = np.array(list(self._cells.values()), np.int64)
        became_right = int(counts[(mine == right) & (theirs != right)].sum())
        became_wrong = int(counts[(mine != right) & (theirs == right)].sum())
        size = len(self._labels)

        def differences(weights: np.ndarray) -> dict[str, float]:
            one, two = (metrics_of(Tally.of(size, right, answers, weights)) for answers in (mine, theirs))
            return {name: one[name] - two[name] for name in one}

        test = mcnemar(became_right, became_wrong)
        return {
            "rows": int(counts.sum()),
            "became_right": became_right,
            "became_wrong": became_wrong,
            "both_wrong": int(counts[(mine != right) & (theirs != right)].sum()),
            "metrics": _as_gains(bootstrap(counts, differences) | self._loss_differences()),
            "test": {"name": f"mcnemar_{test.name}", "p": test.p},
            "slices": {column: slices.pairs() for column, slices in self._slices.items()},
        }

    def _count(self, own: pa.Table, other: pa.Table, first: int) -> None:
        right = self._labels.encode(own["right"])
        mine, theirs = self._labels.encode(own["answer"]), self._labels.encode(other["answer"], self._same)
        is_known = right >= 0
        cells = np.column_stack([right, mine, theirs])[is_known]
        for cell, count in zip(*(part.tolist() for part in np.unique(cells, axis=0, return_counts=True)), strict=True):
            self._cells[tuple(cell)] += count
        for column, slices in self._slices.items():
            hits = [(answers == right)[is_known] for answers in (mine, theirs)]
            slices.add(own[SLICE + column].filter(pa.array(is_known)), *hits)
        losses = [side[name].to_numpy() for name in self._losses for side in (own, other)]
        if losses:
            mask = is_known & np.isfinite(losses).all(0)
            self._sums.add(first, mask, np.ones(len(mask)), *losses)

    def _loss_differences(self) -> dict[str, Any]:
        if not self._losses or not self._sums.rows:
            return {}

        def differences(sums: np.ndarray) -> dict[str, float]:
            rows = sums[0] or 1.0
            return {name: (sums[1 + 2 * n] - sums[2 + 2 * n]) / rows for n, name in enumerate(self._losses)}

        return bootstrap_sums(self._sums.whole(), differences)


def _numbers(own: BinaryIO, other: BinaryIO) -> dict[str, Any]:
    files = pq.ParquetFile(own), pq.ParquetFile(other)
    rows = files[0].metadata.num_rows
    sums, differences, at = _Blocks(5, rows), [], 0
    for one, two in _pairs(*files, ["difference"], ["difference"]):
        mine, theirs = np.abs(one["difference"].to_numpy()), np.abs(two["difference"].to_numpy())
        mask = np.isfinite(mine) & np.isfinite(theirs)
        sums.add(at, mask, np.ones(len(mask)), mine, np.square(mine), theirs, np.square(theirs))
        differences.append((mine - theirs)[mask])
        at += one.num_rows
    if not sums.rows:
        return {"rows": 0, "metrics": {}}

    def statistic(totals: np.ndarray) -> dict[str, float]:
        count = totals[0] or 1.0
        means = totals[1:] / count
        return {"mae": means[0] - means[2], "rmse": float(np.sqrt(means[1]) - np.sqrt(means[3]))}

    all_differences = np.concatenate(differences)
    test = wilcoxon(all_differences[:: 1 + len(all_differences) // MOST_RANKED])
    return {
        "rows": sums.rows,
        "nearer": int((all_differences < 0).sum()),
        "further": int((all_differences > 0).sum()),
        "metrics": _as_gains(bootstrap_sums(sums.whole(), statistic)),
        "test": {"name": test.name, "p": test.p},
    }


class _Blocks:
    """Sums over blocks of rows: each row by itself while there are few."""

    def __init__(self, sums: int, rows: int) -> None:
        self._sums = np.zeros((min(BLOCKS, max(1, rows)), sums))
        self.rows = 0

    def add(self, first: int, mask: np.ndarray, *values: np.ndarray) -> None:
        """Add the rows that a mask marks, of those from `first` on."""
        blocks = np.arange(first, first + len(mask))[mask] % len(self._sums)
        self.rows += len(blocks)
        for place, column in enumerate(values):
            self._sums[:, place] += np.bincount(blocks, column[mask], len(self._sums))

    def whole(self) -> np.ndarray:
        """Give the sums of the blocks that have rows."""
        return self._sums[self._sums[:, 0] > 0]


def _pairs(
    one: pq.ParquetFile, two: pq.ParquetFile, first: list[str], second: list[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Give the rows of both in their order, the same ones beside each other."""
    for group in range(min(one.num_row_groups, two.num_row_groups)):
        yield one.read_row_group(group, first), two.read_row_group(group, second)


def _as_gains(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Give each difference so that above nought is better."""
    told = {}
    for name, one in found.items():
        values = asdict(one)
        if not np.isfinite(list(values.values())).all():
            continue  # sums of numbers near the end of float64
        is_up = METRICS[name].is_higher_better
        told[name] = values if is_up else {"value": -one.value, "low": -one.high, "high": -one.low}
    return told
