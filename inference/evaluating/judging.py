"""What the answers of a version are worth: sums while the rows go by, then numbers and a report.

A judge adds columns to the rows: `is_wrong` (null without a right answer), for labels `rank`, `log_loss`, `brier` and
`score:<n>` for each label of the version, for numbers `difference`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inference.batches.results import ERROR
from inference.evaluating.answers import SLICE, matrix_of
from inference.evaluating.labels import Labels
from inference.evaluating.slicing import Slices
from registry.measures.calibration import Calibration, are_probabilities, losses
from registry.measures.classification import Tally, by_label, metrics_of, ranks
from registry.measures.curves import curves_of
from registry.measures.intervals import wilson
from registry.measures.regression import Errors
from registry.measures.samples import Sample

MOST_CURVES = 64
MOST_CELLS = 2000
MOST_ERRORS = 10
MOST_POINTS = 400
TOPS = (3, 5)
SHARES = (0.5, 0.9, 0.95, 0.99)
_LATENCY = ("p50_ms", "p90_ms", "p95_ms", "p99_ms")


class Judge(Protocol):
    """Judges the rows of one evaluation."""

    rows: int
    wrong: int

    def add(self, table: pa.Table) -> pa.Table:
        """Count rows, and give them with what is found for each."""

    def found(self, answers: BinaryIO) -> tuple[dict[str, float], dict[str, Any]]:
        """Give numbers by name and a report; `answers` is what the rows became, as Parquet."""


class _Common:
    """What both kinds count: rows without a right answer, errors, time, slices."""

    def __init__(self, slices: Sequence[str]) -> None:
        self.rows = self.wrong = self.unlabelled = 0
        self._errors: Counter[str] = Counter()
        self._ms = Sample()
        self._slices = {column: Slices() for column in slices}

    def _count(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        self._ms.add(table["ms"].to_numpy())
        for message in table[ERROR].drop_null().to_pylist():
            if message in self._errors or len(self._errors) < 1000:
                self._errors[message] += 1

    def _latency(self) -> dict[str, float]:
        return dict(zip(_LATENCY, self._ms.percentiles(SHARES), strict=False))

    def _report(self) -> dict[str, Any]:
        return {
            "unlabelled": self.unlabelled,
            "errors": [{"message": text[:300], "rows": rows} for text, rows in self._errors.most_common(MOST_ERRORS)],
            "latency": self._latency(),
            "cut_slices": [column for column, slices in self._slices.items() if slices.has_too_many],
        }


class LabelJudge(_Common):
    """Judges labels."""

    def __init__(self, labels: Sequence[str], slices: Sequence[str]) -> None:
        super().__init__(slices)
        self._labels, self._own = Labels(labels), len(labels)
        self._cells: Counter[tuple[int, int]] = Counter()
        self._tops: Counter[int] = Counter()
        self._calibration = Calibration()
        self._scored = 0
        self._losses = np.zeros(2)
        self._are_shares = self._is_probability = True

    def add(self, table: pa.Table) -> pa.Table:
        """Count rows, and give them with `is_wrong`, and what their scores say."""
        self._count(table)
        right, answer = self._labels.encode(table["right"]), self._labels.encode(table["answer"])
        is_known = right >= 0
        is_wrong = right != answer
        self.unlabelled += int((~is_known).sum())
        self.wrong += int((is_known & is_wrong).sum())
        pairs, counts = np.unique(np.column_stack([right, answer])[is_known], axis=0, return_counts=True)
        for (one, two), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self._cells[one, two] += count
        for column, slices in self._slices.items():
            slices.add(table[SLICE + column].filter(pa.array(is_known)), (~is_wrong)[is_known])
        table = table.append_column("is_wrong", pa.array(is_wrong, mask=~is_known))
        if "score" in table.column_names:
            self._calibrate(table["score"], is_known, ~is_wrong)
        return self._score(table, right, is_known) if "scores" in table.column_names else table

    def found(self, answers: BinaryIO) -> tuple[dict[str, float], dict[str, Any]]:
        """Give numbers by name, and the report."""
        names = self._labels.names
        tally = self._tally()
        labelled = self.rows - self.unlabelled
        metrics = metrics_of(tally) | self._latency()
        curves = self._curves(answers, names)
        report = self._report() | {
            "labels": names,
            "accuracy_interval": list(wilson(labelled - self.wrong, labelled)),
            "per_label": by_label(tally, names),
            "confusion": [[*pair, count] for pair, count in self._cells.most_common(MOST_CELLS)],
            "curves": curves,
            "slices": {column: slices.shares() for column, slices in self._slices.items()},
        }
        if self._are_shares and (error := self._calibration.error) is not None:
            metrics["ece"] = error
            report["calibration"] = self._calibration.curve()
        if self._scored:
            metrics |= {f"top_{top}_accuracy": self._tops[top] / labelled for top in TOPS if self._own > top}
            if self._is_probability:
                metrics |= dict(zip(("log_loss", "brier"), (self._losses / self._scored).tolist(), strict=True))
        if curves:
            metrics["roc_auc"] = float(np.mean([one["roc_auc"] for one in curves.values()]))
            metrics["average_precision"] = float(np.mean([one["average_precision"] for one in curves.values()]))
        return metrics, report

    def _calibrate(self, column: pa.ChunkedArray, is_known: np.ndarray, is_right: np.ndarray) -> None:
        scores = column.to_numpy()
        mask = is_known & np.isfinite(scores)
        self._are_shares = self._are_shares and bool(((scores[mask] >= 0) & (scores[mask] <= 1.0001)).all())
        if self._are_shares:
            self._calibration.add(scores[mask].clip(0, 1), is_right[mask])

    def _score(self, table: pa.Table, right: np.ndarray, is_known: np.ndarray) -> pa.Table:
        is_there, scores = matrix_of(table["scores"].combine_chunks(), self._own)
        both = is_there & is_known
        own, labels = scores[is_known[is_there]], right[both]
        rank = _spread(ranks(labels, own), both)
        self._scored += len(own)
        for top in TOPS:
            self._tops[top] += int((rank[both] < top).sum())
        table = table.drop_columns(["scores"]).append_column("rank", pa.array(rank.astype(np.int32), mask=~both))
        self._is_probability = self._is_probability and are_probabilities(scores)
        is_left_out = ~both if self._is_probability else np.ones(len(both), bool)
        for place, (name, loss) in enumerate(zip(("log_loss", "brier"), losses(labels, own), strict=True)):
            self._losses[place] += loss.sum()
            values = _spread(loss.astype(np.float32), both)
            table = table.append_column(name, pa.array(values, mask=is_left_out))
        for place in range(self._own if self._own <= MOST_CURVES else 0):
            values = _spread(scores[:, place], is_there)
            table = table.append_column(f"score:{place}", pa.array(values, mask=~is_there))
        return table

    def _tally(self) -> Tally:
        if not self._cells:
            return Tally(*(np.zeros(len(self._labels)) for _ in range(3)))
        pairs = np.array(list(self._cells), np.int64)
        weights = np.array(list(self._cells.values()), np.float64)
        return Tally.of(len(self._labels), pairs[:, 0], pairs[:, 1], weights)

    def _curves(self, answers: BinaryIO, names: Sequence[str]) -> dict[str, Any]:
        """Give the curves of each label of the version that is right somewhere, and not everywhere."""
        if not self._scored or self._own > MOST_CURVES:
            return {}
        file = pq.ParquetFile(answers)
        right = Labels(names).encode(file.read(["right"])["right"])
        found = {}
        for place in range(self._own):
            scores = file.read([f"score:{place}"]).column(0).to_numpy()
            mask = (right >= 0) & np.isfinite(scores)
            if curves := curves_of(right[mask] == place, scores[mask]):
                found[names[place]] = {
                    "roc_auc": curves.roc_auc,
                    "average_precision": curves.average_precision,
                    "roc": curves.roc,
                    "pr": curves.pr,
                }
        return found


class NumberJudge(_Common):
    """Judges numbers."""

    def __init__(self, slices: Sequence[str]) -> None:
        super().__init__(slices)
        self._sums = Errors()
        self._differences = Sample()
        self._points: list[list[float]] = []
        self._every = 1

    def add(self, table: pa.Table) -> pa.Table:
        """Count rows, and give them with `is_wrong` (there is no answer) and `difference`."""
        self._count(table)
        right, answer = table["right"].to_numpy(), table["answer"].to_numpy()
        is_known, is_both = np.isfinite(right), np.isfinite(right) & np.isfinite(answer)
        is_wrong = is_known & ~is_both
        self.unlabelled += int((~is_known).sum())
        self.wrong += int(is_wrong.sum())
        difference = answer - right
        self._sums.add(right[is_both], answer[is_both])
        self._differences.add(difference[is_both])
        self._draw(right[is_both], difference[is_both])
        for column, slices in self._slices.items():
            own = difference[is_both]
            slices.add(table[SLICE + column].filter(pa.array(is_both)), np.abs(own), np.square(own))
        table = table.append_column("is_wrong", pa.array(is_wrong, mask=~is_known))
        return table.append_column("difference", pa.array(difference, mask=~is_both))

    def found(self, answers: BinaryIO) -> tuple[dict[str, float], dict[str, Any]]:
        """Give numbers by name, and the report."""
        labelled = self.rows - self.unlabelled
        metrics = self._sums.metrics() | self._latency()
        if labelled:
            metrics["unanswered"] = self.wrong / labelled
        shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
        report = self._report() | {
            "quantiles": [list(pair) for pair in zip(shares, self._differences.percentiles(shares), strict=False)],
            "residuals": self._points,
            "mape_rows": self._sums.share_rows,
            "slices": {column: slices.errors() for column, slices in self._slices.items()},
        }
        return metrics, report

    def _draw(self, right: np.ndarray, difference: np.ndarray) -> None:
        """Keep points of a plot, from everywhere among the rows."""
        self._points += np.column_stack([right, difference])[:: self._every].tolist()
        while len(self._points) > MOST_POINTS:
            self._points, self._every = self._points[::2], self._every * 2


def judged(judge: Judge, chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Give all rows with what is found for each."""
    for table in chunks:
        yield judge.add(table)


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give values at the places that a mask marks, nought elsewhere."""
    whole = np.zeros(len(mask), values.dtype)
    whole[mask] = values
    return whole
