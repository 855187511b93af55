"""`MLmodel` files: what is read of good ones, and hostile ones refused at once."""

import time

import pytest

from common.errors import Invalid
from registry.mlmodel import facts, read_mlmodel, signature_of
from tests.mlflow.artifacts.making import INPUTS, OUTPUTS, mlmodel


def read(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")
    return read_mlmodel(tmp_path / "MLmodel")


def test_facts_when_written_by_mlflow_then_what_a_reader_wants(tmp_path):
    told = facts(read(tmp_path, mlmodel()), {"conda.yaml", "MLmodel"})
    assert told["flavours"] == [
        {"name": "python_function", "version": "3.11.9", "loader": "mlflow.pytorch"},
        {"name": "pytorch", "version": "2.5.1"},
    ]
    assert (told["mlflow_version"], told["environment"]) == ("3.17.2", ["conda.yaml"])
    assert told["inputs"] == [{"name": "", "kind": "float32 [-1, 4]"}]


def test_signature_of_when_tensors_then_ours(tmp_path):
    assert signature_of(read(tmp_path, mlmodel())) == {
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 2]}],
    }


def test_signature_of_when_columns_then_one_input_each(tmp_path):
    columns = [{"type": "double", "name": "나이", "required": True}, {"type": "string", "name": "도시"}]
    found = signature_of(read(tmp_path, mlmodel(inputs=columns, outputs=[{"type": "long"}])))
    assert found["inputs"] == [
        {"name": "나이", "datatype": "FP64", "shape": [-1]},
        {"name": "도시", "datatype": "BYTES", "shape": [-1]},
    ]
    assert found["outputs"] == [{"name": "output", "datatype": "INT64", "shape": [-1]}]


def test_signature_of_when_several_are_unnamed_then_numbered(tmp_path):
    assert [one["name"] for one in signature_of(read(tmp_path, mlmodel(inputs=INPUTS * 2)))["inputs"]] == [
        "input_0",
        "input_1",
    ]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (None, None),
        ([{"type": "array", "items": {"type": "string"}, "name": "x"}], OUTPUTS),
        ([{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}], OUTPUTS),
        ([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, "x"]}}], OUTPUTS),
        ([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [2**40]}}], OUTPUTS),
        ([{"type": "tensor"}], OUTPUTS),
        (["x"], OUTPUTS),
        ({}, OUTPUTS),
        ([], OUTPUTS),
        (INPUTS * 1000, OUTPUTS),
        (INPUTS, None),
    ],
)
def test_signature_of_when_it_says_more_than_tensors_can_then_none(tmp_path, inputs, outputs):
    assert signature_of(read(tmp_path, mlmodel(inputs=inputs, outputs=outputs))) is None


def test_signature_of_when_no_json_then_none(tmp_path):
    text = "flavors: {}\nsignature:\n  inputs: '[[[['\n  outputs: 3\n"
    assert signature_of(read(tmp_path, text)) is None


HOSTILE = {
    "a tag of Python": "flavors: !!python/object/apply:os.system ['id']",
    "a local tag": "flavors: !x {}",
    "an anchor": "flavors: &a {}\nb: *a",
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a]\nflavors: *b",
    "ten thousand levels": "flavors: " + "[" * 10_000,
    "a hundred thousand values": "flavors: {}\nx: [" + "1," * 100_000 + "1]",
    "two megabytes": "flavors: {}\nx: '" + "a" * 2_000_000 + "'",
    "a name twice": "flavors: {}\nflavors: {}",
    "a name that is a list": "flavors: {}\n? [a]\n: 1",
    "two documents": "flavors: {}\n---\nflavors: {}",
    "a list": "- flavors",
    "nothing": "",
    "no flavours": "a: 1",
    "flavours that are a list": "flavors: [pytorch]",
    "a tab": "flavors:\n\t- x",
    "NUL": "flavors: {}\nx: \"\\0\"\n\0",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_read_mlmodel_when_hostile_then_refused_at_once(tmp_path, name):
    started = time.process_time()
    with pytest.raises(Invalid, match="MLmodel"):
        read(tmp_path, HOSTILE[name])
    assert time.process_time() - started < 3


def test_read_mlmodel_when_a_merge_then_a_name_like_any_other(tmp_path):
    assert read(tmp_path, "flavors: {}\nx: {<<: {a: 1}}")["x"] == {"<<": {"a": 1}}


def test_facts_when_an_author_writes_anything_then_bounded_plain_text(tmp_path):
    flavours = {f"f{n}": {"x_version": "1\n" * 1000, "loader_module": "<script>"} for n in range(100)}
    told = facts(read(tmp_path, mlmodel(flavours, run_id="a\u202e" * 500)), ())
    assert len(told["flavours"]) == 20
    assert max(len(one["version"]) for one in told["flavours"]) <= 200
    assert "\u202e" not in told["run_id"]


def test_facts_when_keys_are_of_several_kinds_then_all_told(tmp_path):
    value = read(tmp_path, "flavors: {5: x, pytorch: {1: x, null: y, pytorch_version: 2}, true: {}}")
    assert facts(value, ())["flavours"] == [
        {"name": "5", "version": ""},
        {"name": "True", "version": ""},
        {"name": "pytorch", "version": "2"},
    ]


def test_read_mlmodel_when_no_utf8_then_refused(tmp_path):
    (tmp_path / "MLmodel").write_bytes(b"flavors: {a: '\xff\xfe'}")
    with pytest.raises(Invalid):
        read_mlmodel(tmp_path / "MLmodel")
