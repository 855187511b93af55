"""Bodies into tensors and back, and all that is wrong with bodies."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from common.strict_json import loads
from inference.bodies import payload, stored
from inference.runner.frames import Tensor, unpack_strings
from inference.transport import Output
from inference.transport.answers import decode
from registry.signature import Signature, TensorSpec, parse_signature

NUMBERS = parse_signature(
    {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
)
TEXT = parse_signature(
    {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1], "max_length": 20}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
    }
)


def make_v2(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2.5, 3, 4]} | changes
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


def read(body: Any, signature: Signature = NUMBERS) -> payload.Inputs:
    return payload.read_v2(loads(orjson.dumps(body)), signature)


@pytest.mark.parametrize("data", [[1, 2.5, 3, 4], [[1, 2.5, 3, 4]]])
def test_numbers_when_flat_or_nested_then_same_tensor(data: Any) -> None:
    inputs = read(make_v2(data=data))
    assert np.frombuffer(inputs.tensors[0].payload, "<f4").tolist() == [1, 2.5, 3, 4]
    assert (inputs.rows, inputs.tensors[0].shape) == (1, (1, 4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datatype": "FP64"}, "datatype is FP64"),
        ({"datatype": None}, "datatype is None"),
        ({"shape": [1, 3]}, "does not fit"),
        ({"shape": [0, 4], "data": []}, "the batch is empty"),
        ({"shape": [-1, 4]}, "does not fit"),
        ({"shape": [True, 4]}, "does not fit"),
        ({"shape": [2**62, 4]}, "does not fit"),
        ({"shape": [1 << 26, 4]}, "elements"),
        ({"shape": "1,4"}, "needs a shape"),
        ({"shape": None}, "needs a shape"),
        ({"data": None}, "needs data"),
        ({"data": [1, 2, 3]}, "holds 3 elements"),
        ({"data": [[1, 2], [3, 4]]}, "does not have the shape"),
        ({"data": [[1, 2, 3], [4]]}, "does not have the shape"),
        ({"data": [1, 2, [3], 4]}, "a list"),
        ({"data": [1, 2, "3", 4]}, "text"),
        ({"data": [1, 2, True, 4]}, "true or false"),
        ({"data": [1, 2, None, 4]}, "null"),
        ({"data": [1, 2, {}, 4]}, "an object"),
        ({"data": [1, 2, 1e39, 4]}, "not finite or out of the range"),
        ({"data": {"0": 1}}, "must be a list"),
        ({"name": "z"}, "is missing"),
        ({"name": 7}, "needs a name"),
    ],
)
def test_numbers_when_wrong_then_invalid_names_the_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(make_v2(**changes))
    assert words in caught.value.message or words in str(caught.value.fields)
    assert caught.value.fields


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_when_not_finite_in_the_text_then_invalid(text: str) -> None:
    body = orjson.dumps(make_v2()).replace(b"2.5", text.encode())
    with pytest.raises(Invalid):
        payload.read_v2(loads(body), NUMBERS)


@pytest.mark.parametrize(
    ("text", "words"),
    [("가" * 21, "21 characters"), ("a\0b", "NUL"), (7, "is not text"), (None, "is not text"), (["a"], "is not text")],
)
def test_texts_when_wrong_then_invalid(text: Any, words: str) -> None:
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}]}
    with pytest.raises(Invalid) as caught:
        payload.read_v2(body, TEXT)
    assert words in caught.value.message


def test_texts_when_lone_surrogate_then_invalid_names_the_field() -> None:
    body = b'{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["\\ud800"]}]}'
    with pytest.raises(Invalid) as caught:
        payload.read_v2(loads(body), TEXT)
    assert caught.value.fields


def test_friendly_when_one_text_then_one_row() -> None:
    inputs = payload.read_friendly({"inputs": {"text": "안녕"}}, TEXT)
    assert (inputs.rows, unpack_strings(inputs.tensors[0].payload)) == (1, ["안녕".encode()])


def test_friendly_when_one_flat_row_then_one_row() -> None:
    assert payload.read_friendly({"inputs": {"x": [1, 2, 3, 4]}}, NUMBERS).tensors[0].shape == (1, 4)


@pytest.mark.parametrize("body", [None, [], {}, {"inputs": []}, {"inputs": None}, {"inputs": {}}, {"inputs": {"q": 1}}])
def test_friendly_when_not_an_object_of_inputs_then_invalid(body: Any) -> None:
    with pytest.raises(Invalid):
        payload.read_friendly(body, TEXT)


def test_rows_when_more_than_allowed_then_invalid() -> None:
    rows = payload.MAX_ROWS + 1
    with pytest.raises(Invalid, match="more than"):
        payload.read_friendly({"inputs": {"x": [[1, 2, 3, 4]] * rows}}, NUMBERS)


def test_outputs_when_unknown_name_then_invalid() -> None:
    with pytest.raises(Invalid, match="is no output"):
        read(make_v2() | {"outputs": [{"name": "nope"}]})


def test_answer_when_texts_in_two_dimensions_then_flat_there_and_nested_here() -> None:
    output = Output("BYTES", (2, 2), [b"a", b"b", "다".encode(), b"d"])
    assert payload.flat_values(output) == ["a", "b", "다", "d"]
    assert payload.nested_values(output) == [["a", "b"], ["다", "d"]]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (2, 0, 3), (2, 3, 0)])
def test_answer_when_a_dimension_of_texts_is_nought_then_nested_as_that_of_numbers(shape: tuple[int, ...]) -> None:
    assert payload.nested_values(Output("BYTES", shape, [])) == np.zeros(shape).tolist()


def test_stored_bodies_when_of_either_door_then_read_by_name() -> None:
    assert stored.inputs_of(orjson.dumps(make_v2()).decode()) == {"x": [1, 2.5, 3, 4]}
    assert stored.shapes_of(orjson.dumps(make_v2()).decode()) == {"x": [1, 4]}
    assert stored.inputs_of('{"inputs": {"text": ["안녕"]}}') == {"text": ["안녕"]}
    assert stored.inputs_of('{"text_input": "안녕"}') == {"text_input": ["안녕"]}
    assert stored.inputs_of('{"text_input": "남", "inputs": {"text": ["안녕"]}}') == {"text": ["안녕"]}
    assert stored.inputs_of("not json") == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(name=st.just("x") | json_values, datatype=st.just("FP32") | json_values, shape=json_values, data=json_values)
def test_v2_when_anything_then_tensor_or_invalid(name: Any, datatype: Any, shape: Any, data: Any) -> None:
    body = {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]}
    try:
        inputs = payload.read_v2(body, NUMBERS)
    except Invalid:
        return
    assert math.prod(inputs.tensors[0].shape) * 4 == len(inputs.tensors[0].payload)


def test_output_when_it_holds_nothing_in_too_many_places_then_not_as_signed() -> None:
    spec = TensorSpec("y", "BYTES", (-1, -1, -1))
    assert decode(Tensor("BYTES", (2, 3, 0), b""), spec, 2).values == []
    with pytest.raises(ValueError, match="too many places"):
        decode(Tensor("BYTES", (1, 1 << 39, 0), b""), spec, 1)
