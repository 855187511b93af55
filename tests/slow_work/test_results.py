"""Outputs of calls as columns of a result."""

from __future__ import annotations

import numpy as np
import pytest

from inference.batches.results import Answered, schema_of, table_of
from inference.transport import Output
from registry.signature import parse_signature


def columns(datatype, shape, *outputs):
    """Give the column of the output after calls with one row shape each."""
    signature = parse_signature(
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}],
            "outputs": [{"name": "y", "datatype": datatype, "shape": shape}],
        }
    )
    answered, at = [], 0
    for values in outputs:
        answered.append(Answered(at, at + len(values), [Output(datatype, values.shape, values)]))
        at += len(values)
    schema = schema_of(signature, "", None)
    table, errors = table_of(schema, signature, None, 0, np.ones(at, bool), answered, {})
    assert errors == {}
    return table.column("y").to_pylist()


@pytest.mark.parametrize("boxes", [[0], [0, 0], [2, 0], [0, 3]])
def test_table_when_rows_hold_nothing_then_empty_lists(boxes):
    calls = [np.ones((2, size, 4), np.float32) for size in boxes]
    assert columns("FP32", [-1, -1, 4], *calls) == [[[1.0] * 4] * size for size in boxes for _ in range(2)]


def test_table_when_the_output_is_bf16_then_its_numbers():
    assert columns("BF16", [-1, 2], np.array([[0.5, 1.5]], np.float32)) == [[0.5, 1.5]]


@pytest.mark.parametrize(("shape", "row"), [((2, 0), []), ((2, 0, 3), []), ((2, 3, 0), [[], [], []])])
@pytest.mark.parametrize("is_batched", [True, False])
def test_table_when_texts_have_a_dimension_of_nought_then_empty_lists(shape, row, is_batched):
    sizes = [-1 if is_batched else 2, *[-1] * (len(shape) - 1)]
    signature = parse_signature(
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1] if is_batched else [1]}],
            "outputs": [{"name": "y", "datatype": "BYTES", "shape": sizes}],
        }
    )
    rows = 2 if is_batched else 1
    answered = [Answered(0, rows, [Output("BYTES", shape, [])])]
    schema = schema_of(signature, "", None)
    table, errors = table_of(schema, signature, None, 0, np.ones(rows, bool), answered, {})
    assert (table.column("y").to_pylist(), errors) == ([row, row] if is_batched else [[row, row]], {})
