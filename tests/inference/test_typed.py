"""What people type on the try-it page, and the code that it gives back."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import Invalid
from inference.bodies.samples import code_samples
from inference.bodies.typed import as_typed, read_typed, sample
from registry.signature import TensorSpec, infer_shape, read_numbers

TEXT = TensorSpec("text", "BYTES", (-1,))
ROWS = TensorSpec("x", "FP32", (-1, 3))
PICTURE = TensorSpec("p", "UINT8", (-1, 2, 2))
OPEN = TensorSpec("ids", "INT64", (-1, -1))
FLAG = TensorSpec("f", "BOOL", (-1,))


@pytest.mark.parametrize(
    ("spec", "text", "data"),
    [
        (TEXT, "하나\n\n둘 셋\r\n", ["하나", "둘 셋"]),
        (TEXT, '["첫 줄\\n둘째 줄"]', ["첫 줄\n둘째 줄"]),
        (ROWS, "1, 2, 3\n4\t5\t6", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        (ROWS, "1;2\n3", [[1.0, 2.0, 3.0]]),
        (ROWS, "[[1,2,3]]", [[1, 2, 3]]),
        (PICTURE, "1 2 3 4", [[[1, 2], [3, 4]]]),
        (OPEN, "1 2\n3 4", [[1, 2], [3, 4]]),
        (FLAG, "true, false 1", [True, False, True]),
    ],
)
def test_read_typed_of_lines_or_json_gives_nested_data(spec: TensorSpec, text: str, data: Any) -> None:
    assert read_typed(spec, text) == data


@pytest.mark.parametrize(
    ("spec", "text"),
    [(TEXT, " \n"), (ROWS, ""), (ROWS, "1, 2"), (ROWS, "1, zwei, 3"), (OPEN, "1.5"), (FLAG, "maybe"), (ROWS, "[[1,")],
)
def test_read_typed_of_something_else_names_the_input(spec: TensorSpec, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_typed(spec, text)
    assert list(caught.value.fields) == [spec.name]


@pytest.mark.parametrize("spec", [TEXT, ROWS, PICTURE, OPEN, FLAG])
def test_sample_is_a_row_that_the_signature_takes(spec: TensorSpec) -> None:
    data = read_typed(spec, sample(spec))
    if spec.datatype != "BYTES":
        assert read_numbers(spec, infer_shape(spec, data), data).shape[0] >= 1


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        (TEXT, ["하나", "둘"]),
        (TEXT, ["두\n줄"]),
        (TEXT, ["[x"]),
        (ROWS, [[1.5, 2.0, 3.0]]),
        (PICTURE, [[[1, 2], [3, 4]]]),
    ],
)
def test_as_typed_is_read_back_as_the_same_data(spec: TensorSpec, data: Any) -> None:
    assert read_typed(spec, as_typed(data)) == data


def test_code_samples_are_valid_python_and_name_the_deployment() -> None:
    samples = dict(code_samples(url="https://host", deployment="의도", inputs={"text": ['it\'s "배송"']}, specs=[TEXT]))
    for name in ("Python", "Triton"):
        compile(samples[name], name, "exec")
    assert "%EC%9D%98%EB%8F%84" in samples["Python"]
    assert "'\\''" in samples["curl"]
    assert "ssl=True" in samples["Triton"]
