"""The answers of a version beside the right ones, as Arrow tables.

| column | |
| --- | --- |
| `row` | number of the row in the dataset version |
| `right`, `answer` | text for labels, float64 for numbers; null: none |
| `error` | why there is no answer |
| `ms` | time of the row: that of its call, divided by the call's rows |
| `score` | of the answer |
| `scores` | of all labels of the version, in its order |
| `slice:<column>` | the value as text |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inference.batches.columns import Wrong, plain_array
from inference.batches.results import ERROR, Answered, schema_of, table_of
from inference.evaluating.plan import Outputs, Plan
from registry.measures.catalogue import CLASSIFICATION
from registry.signature import Signature

SLICE = "slice:"
LONGEST_LABEL, LONGEST_SLICE = 255, 100


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes tables of what a version answered. `labels` are the version's own, `names` its labels by other names."""

    signature: Signature
    outputs: Outputs
    plan: Plan
    labels: Sequence[str]
    names: Mapping[str, str]

    def table(
        self,
        first_row: int,
        columns: Mapping[str, pa.Array],
        is_good: np.ndarray,
        answered: Sequence[Answered],
        wrong: Wrong,
    ) -> pa.Table:
        """Give the rows of a piece in their order."""
        schema = schema_of(self.signature, "", None)
        raw, _errors = table_of(schema, self.signature, None, first_row, is_good, answered, wrong)
        outputs = dict(zip((spec.name for spec in self.signature.outputs), raw.columns[1:-1], strict=True))
        answer, score, scores = self._answers(outputs)
        found = {
            "row": raw.column(0).cast(pa.int64()),
            "right": self._right(columns[self.plan.label]),
            "answer": answer,
            ERROR: raw.column(raw.num_columns - 1).cast(pa.string()),
            "ms": _times(is_good, answered),
        }
        if score is not None:
            found["score"] = score
        if scores is not None:
            found["scores"] = scores
        for column in self.plan.slices:
            found[SLICE + column] = _texts(columns[column], LONGEST_SLICE)
        return pa.table(found)

    def _right(self, column: pa.Array) -> pa.Array:
        if self.outputs.task != CLASSIFICATION:
            return finite(plain_array(column))
        texts = _texts(column, LONGEST_LABEL)
        known = set(self.labels)
        other = {name: label for label, name in self.names.items() if name not in known}
        if not other:
            return texts
        encoded = texts.dictionary_encode()
        values = pa.array([other.get(value, value) for value in encoded.dictionary.to_pylist()], pa.string())
        return pc.take(values, encoded.indices)

    def _answers(self, outputs: Mapping[str, pa.ChunkedArray]) -> tuple[pa.Array, pa.Array | None, pa.Array | None]:
        wanted = self.outputs
        score = _numbers(outputs[wanted.score]).cast(pa.float32()) if wanted.score else None
        if wanted.task != CLASSIFICATION:
            return _numbers(outputs[wanted.answer]), None, None
        scores = _joined(outputs[wanted.scores]).cast(pa.list_(pa.float32())) if wanted.scores else None
        if wanted.answer:
            return _texts(_joined(outputs[wanted.answer]), LONGEST_LABEL), score, scores
        assert scores is not None
        answer, best = self._best(scores)
        return answer, best, scores

    def _best(self, scores: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Give the label with the highest score of each row, and that score."""
        is_there, values = matrix_of(scores, len(self.labels))
        places = np.zeros(len(scores), np.int64)
        best = np.zeros(len(scores), np.float32)
        places[is_there] = values.argmax(1)
        best[is_there] = values.max(1)
        labels = pa.array(self.labels, pa.string())
        return pc.take(labels, pa.array(places, mask=~is_there)), pa.array(best, mask=~is_there)


def matrix_of(column: pa.Array, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Give which rows have numbers, and these as (rows that have some, width)."""
    is_there = np.asarray(column.is_valid())
    return is_there, column.flatten().to_numpy(zero_copy_only=False).reshape(int(is_there.sum()), width)


def finite(column: pa.Array) -> pa.Array:
    """Give numbers as float64, null where there is none or it is not finite."""
    numbers = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _numbers(column: pa.ChunkedArray) -> pa.Array:
    """Give one number a row; an output of shape (rows, 1) counts as one."""
    whole = _joined(column)
    return finite(pc.list_element(whole, 0) if pa.types.is_list(whole.type) else whole)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)


def _texts(column: pa.Array, longest: int) -> pa.Array:
    return pc.utf8_slice_codeunits(plain_array(column).cast(pa.string()), 0, longest)


def _times(is_good: np.ndarray, answered: Sequence[Answered]) -> pa.Array:
    places = np.flatnonzero(is_good)
    times = np.full(len(is_good), np.nan, np.float32)
    for one in answered:
        if not one.error:
            times[places[one.first : one.last]] = one.run_ms / (one.last - one.first)
    return pa.array(times, mask=np.isnan(times))
