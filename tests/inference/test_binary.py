"""Tensors as raw bytes: whatever comes, there is a tensor of its bytes or a typed refusal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from inference.bodies import payload, stored
from inference.bodies.wanted import Wanted
from inference.runner.frames import pack_strings, unpack_strings
from inference.transport import Output
from inference.v2.answers import classify, render
from registry.numbers import ITEM_BYTES, to_array, to_payload
from registry.signature import DATATYPES, Signature, TensorSpec

EVERY = tuple(name for name in DATATYPES if name != "BYTES")
TEXT = Signature((TensorSpec("text", "BYTES", (-1,), 20),), (TensorSpec("label", "BYTES", (-1,)),))
NUMBERS = Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 2)),))
PAIR = Signature(
    (TensorSpec("x", "INT32", (-1, 2)), TensorSpec("text", "BYTES", (-1,)), TensorSpec("on", "BOOL", (-1,))),
    NUMBERS.outputs,
)


def a_call(*entries: tuple[str, str, list[Any], bytes], **more: Any) -> tuple[bytes, int]:
    """Give a body of raw tensors and the length of its JSON."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(piece)}}
        for name, datatype, shape, piece in entries
    ]
    head = orjson.dumps({"inputs": inputs, **more})
    return head + b"".join(piece for *_, piece in entries), len(head)


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def test_binary_when_good_then_tensors_over_the_body_itself() -> None:
    texts = pack_strings(["안녕".encode(), b""])
    body, length = a_call(
        ("on", "BOOL", [2], b"\1\0"), ("x", "INT32", [2, 2], bytes(range(16))), ("text", "BYTES", [2], texts)
    )
    inputs = payload.read_v2_body(body, length, PAIR)
    assert inputs.rows == 2
    assert [bytes(tensor.payload) for tensor in inputs.tensors] == [bytes(range(16)), texts, b"\1\0"]
    assert all(isinstance(tensor.payload, memoryview) and tensor.payload.obj is body for tensor in inputs.tensors)


@pytest.mark.parametrize("name", EVERY)
def test_binary_when_each_datatype_then_kept_as_json_that_says_the_same(name: str) -> None:
    values = np.array([[0, 1], [1, 0]]).astype(to_array(name, b"").dtype)
    signature = Signature((TensorSpec("x", name, (-1, 2)),), NUMBERS.outputs)
    body, length = a_call(("x", name, [2, 2], to_payload(name, values)), id="mine")
    inputs = payload.read_v2_body(body, length, signature)
    text = stored.text_of(body, length, inputs, signature)
    assert stored.inputs_of(text) == {"x": values.ravel().tolist()}
    assert stored.shapes_of(text) == {"x": [2, 2]}
    assert orjson.loads(text)["id"] == "mine"
    assert stored.inputs_of(stored.file_of(body, length, inputs, signature)) == {"x": values.ravel().tolist()}


@pytest.mark.parametrize("padding", [b"\n", b"    ", b"\r\n\t "])
@pytest.mark.parametrize("content", [floats(0, 1, 2, 3), b"\x20\x0a\x0d\x09" * 4])
def test_file_of_a_call_when_blanks_stand_between_or_are_the_tensor_then_its_numbers(
    padding: bytes, content: bytes
) -> None:
    signature = Signature((TensorSpec("x", "FP32", (-1, 2)),), NUMBERS.outputs)
    body, length = a_call(("x", "FP32", [2, 2], content))
    padded = bytes(body[:length]) + padding + bytes(body[length:])
    inputs = payload.read_v2_body(padded, length + len(padding), signature)
    for whole, size in ((body, length), (padded, length + len(padding))):
        kept = stored.file_of(whole, size, inputs, signature)
        assert stored.has_bytes(kept)
        assert stored.inputs_of(kept) == {"x": np.frombuffer(content, "<f4").tolist()}
        assert stored.dropped_of(kept) == {}


@pytest.mark.parametrize("name", [*EVERY, "BYTES"])
def test_raw_body_when_there_is_one_input_then_one_row_and_all_outputs_as_bytes(name: str) -> None:
    is_text = name == "BYTES"
    signature = Signature((TensorSpec("x", name, (-1,) if is_text else (-1, 2, -1)),), NUMBERS.outputs)
    body = "안녕".encode() if is_text else bytes(6 * ITEM_BYTES[name])
    inputs = payload.read_v2_body(body, 0, signature)
    assert inputs.tensors[0].shape == ((1,) if is_text else (1, 2, 3))
    assert inputs.outputs == (Wanted("y", is_binary=True),)
    kept = stored.file_of(body, 0, inputs, signature)
    assert stored.has_bytes(kept)
    assert stored.inputs_of(kept) == {"x": ["안녕"] if is_text else [0] * 6}
    assert stored.inputs_of(stored.text_of(body, 0, inputs, signature)) == stored.inputs_of(kept)


def x_call(piece: bytes = floats(1, 2, 3, 4), *, shape: Any = (1, 4), **parameters: Any) -> tuple[bytes, int]:
    size = {"binary_data_size": len(piece)} | parameters
    entry = {"name": "x", "datatype": "FP32", "shape": shape, "parameters": size}
    head = orjson.dumps({"inputs": [entry]})
    return head + piece, len(head)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (x_call(floats(1, 2, 3)), "12 bytes, its shape and datatype say 16"),
        (x_call(floats(1, 2, 3, math.nan)), "not finite"),
        (x_call(floats(1, 2, 3, math.inf)), "not finite"),
        (x_call(binary_data_size=-1), "number of bytes"),
        (x_call(binary_data_size=1.5), "number of bytes"),
        (x_call(binary_data_size=True), "number of bytes"),
        (x_call(binary_data_size="16"), "number of bytes"),
        (x_call(binary_data_size=17), "16 bytes are left"),
        (x_call(binary_data_size=10**30 // 10**12), "16 bytes are left"),
        (x_call(binary_data_size=12), "goes on for 4 bytes"),
        (x_call(shape=[2**31, 2**31]), "does not fit"),
        (x_call(shape=[-1, 4]), "does not fit"),
        (x_call(shape=[1.0, 4]), "does not fit"),
        (x_call(shape=None), "needs a shape"),
        (x_call(b"", shape=[0, 4]), "the batch is empty"),
        ((x_call()[0] + b"!", x_call()[1]), "goes on for 1 bytes"),
        ((x_call()[0], None), "not JSON"),
    ],
)
def test_binary_when_numbers_do_not_add_up_then_invalid(call: tuple[bytes, int | None], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        payload.read_v2_body(*call, NUMBERS)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"data": [1, 2, 3, 4], "parameters": {"binary_data_size": 0}}, "both data and"),
        ({"parameters": {"binary_data_size": 16}}, "needs the header Inference-Header-Content-Length"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared memory"),
        ({"parameters": []}, "needs data"),
        ({"parameters": None}, "needs data"),
    ],
)
def test_input_when_its_data_is_elsewhere_then_told(entry: dict[str, Any], words: str) -> None:
    body = orjson.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], **entry}]})
    length = len(body) if "data" in entry else None
    with pytest.raises(Invalid, match=words):
        payload.read_v2_body(body, length, NUMBERS)


@pytest.mark.parametrize(
    ("piece", "shape", "words"),
    [
        (pack_strings([b"\xff\xfe"]), [1], "not UTF-8"),
        (pack_strings([b"a\0b"]), [1], "NUL"),
        (pack_strings(["가".encode() * 21]), [1], "21 characters"),
        (pack_strings([b"a", b"b"]), [1], "5 bytes after its 1 elements"),
        (pack_strings([b"a"]), [2], "too few|past the end"),
        (b"\xff\xff\xff\xff", [1], "past the end"),
        (b"\x01\0\0", [1], "too few"),
        (b"", [1], "too few"),
        (b"", [1 << 26], "elements, more than"),
    ],
)
def test_texts_when_their_bytes_are_wrong_then_invalid(piece: bytes, shape: list[int], words: str) -> None:
    body, length = a_call(("text", "BYTES", shape, piece))
    with pytest.raises(Invalid, match=words):
        payload.read_v2_body(body, length, TEXT)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([{"name": "y"}, {"name": "y"}], "twice"),
        ([{"name": "y", "parameters": {"binary_data": 1}}], "true or false"),
        ([{"name": "y", "parameters": {"classification": -1}}], "number of classes"),
        ([{"name": "y", "parameters": {"classification": True}}], "number of classes"),
        ([{"name": "y", "parameters": {"shared_memory_region": "r"}}], "shared memory"),
        ([{"name": "y", "parameters": [1]}], "must be an object"),
        ([{"name": {}}], "is no output"),
        ([7], "is no output"),
        ({"name": "y"}, "must be a list"),
    ],
)
def test_outputs_when_asked_for_wrongly_then_invalid(outputs: Any, words: str) -> None:
    body, length = a_call(("x", "FP32", [1, 4], floats(1, 2, 3, 4)), outputs=outputs)
    with pytest.raises(Invalid, match=words):
        payload.read_v2_body(body, length, NUMBERS)


def test_outputs_when_bytes_are_the_rule_then_each_may_still_differ() -> None:
    call = ("x", "FP32", [1, 4], floats(1, 2, 3, 4))
    every = {"parameters": {"binary_data_output": True}}
    assert payload.read_v2_body(*a_call(call), NUMBERS).outputs is None
    assert payload.read_v2_body(*a_call(call, **every), NUMBERS).outputs == (Wanted("y", is_binary=True),)
    but = [{"name": "y", "parameters": {"binary_data": False}}]
    assert payload.read_v2_body(*a_call(call, **every, outputs=but), NUMBERS).outputs == (Wanted("y"),)


def test_answer_when_bytes_and_json_are_mixed_then_the_bytes_follow_in_order() -> None:
    signature = Signature(NUMBERS.inputs, (*NUMBERS.outputs, TensorSpec("b", "BF16", (-1,)), *TEXT.outputs))
    outputs = [
        Output("FP32", (1, 2), np.array([[1, 2]], "<f4")),
        Output("BF16", (1,), np.array([1.5], "<f4")),
        Output("BYTES", (1,), ["가".encode()]),
    ]
    body, length = render(
        outputs=list(zip(signature.outputs, outputs, strict=True)),
        signature=signature,
        model="m",
        version=1,
        client_id="",
        wanted=(Wanted("label", is_binary=True), Wanted("y"), Wanted("b", is_binary=True)),
    )
    said = orjson.loads(body[:length])["outputs"]
    assert [entry.get("data") for entry in said] == [None, [1.0, 2.0], None]
    assert [entry.get("parameters") for entry in said] == [{"binary_data_size": 7}, None, {"binary_data_size": 2}]
    assert body[length:] == pack_strings(["가".encode()]) + to_payload("BF16", np.array([1.5]))
    assert stored.read_answer(stored.answer_text(body, length)) == (body, length)
    assert stored.read_answer(stored.answer_text(b'{"a":1}', None)) == (b'{"a":1}', None)


def test_classes_when_values_are_equal_then_the_lower_index_first_and_never_more_than_there_are() -> None:
    output = Output("INT64", (2, 3), np.array([[5, 7, 7], [-1, -3, -2]], "<i8"))
    best = classify(output, 9, ("a", "b", "c"), is_batched=True)
    assert (best.shape, best.values) == ((2, 3), [b"7:1:b", b"7:2:c", b"5:0:a", b"-1:0:a", b"-2:2:c", b"-3:1:b"])
    assert classify(output, 1, ("too few",), is_batched=True).values == [b"7:1", b"-1:0"]
    whole = Output("FP32", (4,), np.array([1, 5, 10, 4], "<f4"))
    assert classify(whole, 2, (), is_batched=False) == Output("BYTES", (2,), [b"10.000000:2", b"5.000000:1"])


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_bf16_when_rounded_then_the_nearest(value: float) -> None:
    got = float(to_array("BF16", to_payload("BF16", np.array([value], "<f4")))[0])
    assert math.isinf(got) or abs(got - value) <= max(abs(value) / 256, 1e-38)
    assert to_payload("BF16", np.array([got], "<f4")) == to_payload("BF16", np.array([value], "<f4"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
sizes = st.integers(-2, 40) | st.integers() | json_values
names = st.sampled_from(["x", "text", "on"]) | json_values
an_entry = st.fixed_dictionaries(
    {"name": names, "datatype": st.sampled_from(DATATYPES) | json_values, "shape": st.lists(sizes, max_size=3)},
    optional={"parameters": st.fixed_dictionaries({"binary_data_size": sizes}) | json_values, "data": json_values},
)


@settings(max_examples=1500, deadline=None)
@given(
    entries=st.lists(an_entry, max_size=3),
    more=st.fixed_dictionaries({}, optional={"outputs": json_values, "parameters": json_values, "id": json_values}),
    tail=st.binary(max_size=64),
    off=st.integers(-3, 3) | st.none(),
    signature=st.sampled_from([NUMBERS, TEXT, PAIR]),
)
def test_binary_when_anything_then_tensors_or_invalid(
    entries: list[Any], more: dict[str, Any], tail: bytes, off: int | None, signature: Signature
) -> None:
    try:
        head = orjson.dumps({"inputs": entries, **more})
    except (TypeError, UnicodeEncodeError):
        return  # numbers of any size and half pairs are the JSON parser's
    length = None if off is None else min(max(len(head) + off, 0), len(head) + len(tail))
    agrees(head + tail, length, signature)


@settings(max_examples=1500, deadline=None)
@given(
    pieces=st.tuples(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=4)),
    rows=st.integers(0, 3),
    signature=st.sampled_from([NUMBERS, TEXT, PAIR]),
    is_raw=st.booleans(),
)
def test_binary_when_well_formed_with_any_bytes_then_tensors_or_invalid(
    pieces: tuple[bytes, ...], rows: int, signature: Signature, is_raw: bool
) -> None:
    shapes = [[rows, *spec.row_shape] for spec in signature.inputs]
    entries = [
        (spec.name, spec.datatype, shape, piece)
        for spec, shape, piece in zip(signature.inputs, shapes, pieces, strict=False)
    ]
    agrees(*((pieces[0], 0) if is_raw else a_call(*entries)), signature)


def agrees(body: bytes, length: int | None, signature: Signature) -> None:
    """Read a body; what is taken is whole, and what is kept of it says the same."""
    try:
        inputs = payload.read_v2_body(body, length, signature)
    except Invalid:
        assert length is None or isinstance(stored.text_of(body, length, None, signature), str)
        return
    for spec, tensor in zip(signature.inputs, inputs.tensors, strict=True):
        if spec.datatype == "BYTES":
            assert len(unpack_strings(tensor.payload)) == math.prod(tensor.shape)
        else:
            assert len(tensor.payload) == math.prod(tensor.shape) * ITEM_BYTES[spec.datatype]
    if length is not None:
        assert stored.inputs_of(stored.text_of(body, length, inputs, signature)).keys() == {
            spec.name for spec in signature.inputs
        }


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60) | json_values.map(lambda value: str(value).encode("utf-8", "replace")))
def test_stored_when_anything_then_values_or_none(given_bytes: bytes) -> None:
    assert isinstance(stored.inputs_of(given_bytes), dict)
    assert isinstance(stored.shapes_of(given_bytes), dict)
    assert isinstance(stored.has_bytes(b'{"binary_data_size":1}' + given_bytes), bool)
