"""Stored bodies and outputs as a reader sees them."""

from __future__ import annotations

import orjson
import pytest

from inference.bodies.readable import first_words, read_inputs, read_output
from registry.signature import parse_signature

TEXT = parse_signature(
    {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
    }
)
NUMBERS = parse_signature(
    {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ('{"inputs":{"text":["배송 언제 와요","둘"]}}', "배송 언제 와요"),
        ('{"inputs": {"text": "하나"}}', "하나"),
        ('{"inputs":{"te\\"xt":["그는 \\"네\\" 라고 했다"]}}', '그는 "네" 라고 했다'),
        ('{"id":"7","inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["배송 언', "배송 언…"),
        ('{"inputs":{"text":["끝에 \\', "끝에 …"),
        ('{"inputs":{"x":[[0.123456,1,-2e-3,4,5,6', "0.1235, 1, -0.002, 4, …"),
        ('{"y":[1.5,2.0]}', "1.5, 2"),
        ('{"text_input":"물음"}', "물음"),
        ('{"text_input":"긴 물', "긴 물…"),
        ('{"text_input":"남","data":"남","inputs":{"text":["물음"]}}', "물음"),
        ('{"text_input":"남","data":"남","inputs":{"text":["긴 물', "긴 물…"),
        ('{"text_input":"남","inputs":[{"name":"text","shape":[1]', ""),
        ("not json", ""),
        ("", ""),
    ],
)
def test_first_words_of_a_start_are_the_first_value(start: str, words: str) -> None:
    assert first_words(start) == words


def test_read_inputs_of_both_doors_gives_the_texts() -> None:
    friendly = '{"inputs":{"text":["하나","둘"]}}'
    v2 = '{"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["하나","둘"]}]}'
    for body in (friendly, v2):
        (shown,) = read_inputs(body, TEXT)
        assert (shown.name, shown.shape, list(shown.texts or [])) == ("text", (2,), ["하나", "둘"])


def test_read_inputs_of_flat_numbers_gives_the_shape_that_was_said() -> None:
    body = '{"inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[1,2,3,4,5,6,7,8]}]}'
    (shown,) = read_inputs(body, NUMBERS)
    assert (shown.shape, shown.datatype, list(shown.numbers or [])) == ((2, 4), "FP32", [1, 2, 3, 4, 5, 6, 7, 8])


def test_read_inputs_of_nested_numbers_without_a_signature_gives_the_shape_of_the_nesting() -> None:
    (shown,) = read_inputs('{"inputs":{"x":[[1,2],[3,4]]}}', None)
    assert (shown.shape, shown.datatype) == ((2, 2), "")


@pytest.mark.parametrize("body", ["", "{", "[]", '{"inputs":7}', "\x00", '{"inputs":{"x":[1,"a",null]}}'])
def test_read_inputs_of_anything_never_fails(body: str) -> None:
    assert all(shown.texts is None and shown.numbers is None for shown in read_inputs(body, NUMBERS))


def test_read_output_of_a_classification_gives_label_and_score() -> None:
    label, score = read_output(orjson.dumps({"label": "배송", "score": 0.9}).decode(), TEXT)
    assert (label.texts, score.numbers) == (["배송"], [0.9])
