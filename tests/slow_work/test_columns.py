"""Columns of files as tensors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from inference.batches.columns import convert
from registry.numbers import to_payload
from registry.signature import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "BF16", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 1)),))
ROWS = [[0.1, -2.5], [3.14159, 1e30]]


def converted(column):
    (block,), is_good, wrong = convert(SIGNATURE, {"x": column}, {"x": "x"}, len(column))
    return block, is_good.tolist(), wrong


@pytest.mark.parametrize(
    "column",
    [
        pa.array(ROWS, pa.list_(pa.float32())),
        pa.array(ROWS, pa.list_(pa.float64())),
        pa.array([*ROWS, None], pa.list_(pa.float32(), 2)),
        ROWS,
        [*ROWS, [0.5]],
    ],
)
def test_column_when_the_input_is_bf16_then_rounded_as_it_travels(column):
    block, is_good, _wrong = converted(column)
    assert is_good == [True, True, False][: len(column)]
    whole = to_payload("BF16", np.array(ROWS, "<f4"))
    for first, last in ((0, 2), (1, 2)):
        datatype, shape, content = block.tensor(first, last)
        assert (datatype, shape, bytes(content)) == ("BF16", (last - first, 2), whole[4 * first : 4 * last])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 3.4e38, np.frombuffer(b"\xff\xff\xff\x7f", "<f4")[0]])
def test_column_when_a_number_is_none_of_bf16_then_its_row_is_told(number):
    for column in (pa.array(np.array([number, 1, 2, 3], "<f4")), [number, 1, 2, 3]):
        is_array = isinstance(column, pa.Array)
        rows = pa.FixedSizeListArray.from_arrays(column, 2) if is_array else [column[:2], column[2:]]
        block, is_good, wrong = converted(rows)
        assert (is_good, list(wrong)) == ([False, True], [0])
        assert bytes(block.tensor(0, 1).payload) == to_payload("BF16", np.array([2, 3], "<f4"))
