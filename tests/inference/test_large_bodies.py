"""Large bodies are read by a faster way: what it takes, the ordinary way takes too, as the same bytes."""

import os
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from common.strict_json import loads
from inference.bodies import large as large_bodies
from inference.bodies import payload
from registry.signature import Signature, parse_signature

CASES = 20_000 if "FLUEMAN_ATTACKS" in os.environ else 300
ROW = 4 * 64
FLOATS = [
    "0",
    "-0",
    "-0.0",
    "1",
    "1.5",
    "-2.5e-3",
    "1E5",
    "3.4028235e38",
    "65504",
    "1e-50",
    "4.9e-324",
    "0.1234567890123",
]
WHOLE = ["0", "-0", "1", "-1", "127", "-128", "255", "9007199254740993", "9223372036854775807", "18446744073709551615"]
ODD = [
    "true", "false", "null", '"1"', "[1]", "[]", "{}", "[[]]", "NaN", "Infinity", "01", "1.", "", "-", "+1", "0x1",
    "1e39", "1e999", "3.5e38", "65520", "18446744073709551616", "-9223372036854775809", '"]"', '"}"', "1]", "]",
    "[1", "1 2",
    "\\", "\0",
]  # fmt: skip


def make_signature(datatype: str) -> Signature:
    specs = [{"name": name, "datatype": datatype, "shape": [-1, 4, 64]} for name in ("x", "z")]
    return parse_signature({"inputs": specs, "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]})


@st.composite
def lists(draw: st.DrawFn, datatype: str, rows: int) -> str:
    """Draw the text of a list, flat or nested as the shape says or otherwise, mostly of good numbers."""
    good = FLOATS if datatype.startswith("FP") else WHOLE[: 5 if datatype == "INT8" else 9]
    few = draw(st.lists(st.sampled_from(good + WHOLE), min_size=1, max_size=8))
    items = [few[n * n % len(few)] for n in range(rows * ROW)]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        items[draw(st.integers(0, len(items) - 1))] = draw(st.sampled_from(ODD))
    join = draw(st.sampled_from([",", ", ", " ,\n"])).join
    for size in draw(st.sampled_from([(), (), (64, 4), (64, 4), (4, 64), (64,), (256,), (1, 64, 4), (63, 4)])):
        items = [f"[{join(items[at : at + size])}]" for at in range(0, len(items), size)]
    return f"[{join(items)}]"


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a datatype and a body whose lists stand in odd places now and then, or that is broken somewhere."""
    datatype = draw(
        st.sampled_from(["FP32", "FP32", "FP32", "FP64", "FP16", "INT8", "INT64", "UINT64", "BOOL", "BYTES"])
    )
    rows = draw(st.integers(1, 3))
    entries = []
    for name in ("x", "z"):
        data = draw(lists(datatype, rows))
        key = draw(st.sampled_from(['"data"'] * 6 + ['"d\\u0061ta"', '"datas"', '"data" \t\r\n', '"\\"data"']))
        extra = draw(
            st.sampled_from(
                [""] * 8 + ['"data":[1],', '"data":1,', f'"data":{data},', f'"parameters":{{"data":{data}}},']
            )
        )
        late = draw(
            st.sampled_from([""] * 8 + [',"data":[1]', ',"d\\u0061ta":7', f',"data":{data}', ',"note":"\\"data\\":[1"'])
        )
        entries.append(f'{{{extra}"name":"{name}","datatype":"{datatype}","shape":[{rows},4,64],{key}:{data}{late}}}')
    text = f'{{"id":"a","inputs":[{",".join(entries)}]}}'
    text = draw(
        st.sampled_from(
            [text] * 8 + [f"[{text}]", text[:-1], text + "x", f'{{"inputs":[{text}]}}', text[:-1] + ',"inputs":[]}']
        )
    )
    body = bytearray(text.encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        at = draw(st.integers(0, len(body) - 1))
        body[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from([b"", b'"', b"]", b"[", b"}", b",", b"\xff", b"\\u0000"])
        )
    return datatype, bytes(body)


def told(read: Any) -> Any:
    """Give the tensors that a reader gives, or what it refuses with."""
    try:
        inputs = read()
    except Invalid as error:
        return error.message, error.fields, error.code
    return [(tensor.datatype, tensor.shape, bytes(tensor.payload)) for tensor in inputs.tensors], inputs.client_id


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies())
@example(("FP32", b'{"inputs":[{"name":"x","data":0,"parameters":{"data":[' + b"1," * 2000 + b"1]}}]}"))
def test_large_body_when_anything_then_read_or_refused_as_by_the_ordinary_way(case: tuple[str, bytes]) -> None:
    datatype, body = case
    signature = make_signature(datatype)
    slow = told(lambda: payload.read_v2(loads(body), signature))
    try:
        fast = told(lambda: payload.read_v2(large_bodies.loads(body), signature))
    except large_bodies.NotPlain:
        fast = None
    assert fast is None or fast == slow or isinstance(fast[0], str)
    assert told(lambda: payload.read_v2_text(body, signature)) == slow


@pytest.mark.parametrize("piece", [b'"data":[', b'"data":[1,', b'"data":[]', b'"data":[' + b"1," * 600])
def test_large_body_when_lists_begin_again_and_again_then_given_up_in_linear_time(piece: bytes) -> None:
    body = b'{"inputs":[' + piece * ((8 << 20) // len(piece))
    begun = time.process_time()
    with pytest.raises((large_bodies.NotPlain, Invalid)):
        large_bodies.loads(body)
    assert time.process_time() - begun < 5  # 0.05 on a quiet machine; a quadratic search takes hours


@pytest.mark.parametrize("nest", [(), (64, 4)])
@pytest.mark.parametrize(
    ("datatype", "value"), [("FP32", 0.1), ("FP16", 0.1), ("FP64", 0.1), ("INT8", -7), ("UINT64", 2**63)]
)
def test_large_body_when_good_then_read_by_the_faster_way(nest: tuple[int, ...], datatype: str, value: float) -> None:
    data: list[Any] = [value] * (8 * ROW)
    for size in nest:
        data = [data[at : at + size] for at in range(0, len(data), size)]
    tensors = [{"name": name, "datatype": datatype, "shape": [8, 4, 64], "data": data} for name in ("x", "z")]
    body = orjson.dumps({"inputs": tensors})
    signature = make_signature(datatype)
    fast = payload.read_v2(large_bodies.loads(body), signature)
    assert fast == payload.read_v2(loads(body), signature)
    assert fast.rows == 8
