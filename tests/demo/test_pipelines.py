import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from common.errors import Invalid, Unavailable
from inference.runner.frames import Tensor, pack_strings, unpack_strings
from inference.runner.pipelines import make_pipeline, read_labels
from registry.signature import parse_signature

pytestmark = pytest.mark.filterwarnings("ignore:The given buffer is not writable")


def make_manifest(task, inputs, outputs, **more):
    signature = parse_signature(
        {
            "inputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in inputs],
            "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
        }
    )
    others = {"format": "safetensors", "arguments": {}, "tokeniser": None, "labels": None}
    return SimpleNamespace(task=task, signature=signature, **others | more)


def make_numbers(module, output=("y", "FP32", [-1, 2])):
    return make_pipeline(make_manifest("tensor", [("x", "FP32", [-1, 3])], [output]), "/", module)


def make_rows(rows):
    values = np.arange(rows * 3, dtype="<f4")
    return [Tensor("FP32", (rows, 3), values.tobytes())]


def make_texts(*texts):
    return [Tensor("BYTES", (len(texts),), pack_strings(text.encode() for text in texts))]


def make_classifier(folder, module, outputs=(("label", "BYTES", [-1]), ("score", "FP32", [-1]))):
    tokeniser = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "가": 2, "나": 3}, unk_token="[UNK]"))
    tokeniser.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokeniser.save(str(folder / "tokenizer.json"))
    (folder / "labels.json").write_text(json.dumps([{"id": "first", "name": "첫째"}, {"id": "second", "name": "둘째"}]))
    manifest = make_manifest(
        "text-classification", [("text", "BYTES", [-1])], outputs, tokeniser="tokenizer.json", labels="labels.json"
    )
    return make_pipeline(manifest, folder, module)


def count_letters(ids):
    """Logits: how often 가 and 나 stand in a text."""
    return torch.stack([ids.eq(2).sum(1), ids.eq(3).sum(1)], 1).float()


def test_tensor_when_many_rows_then_one_forward_gives_all():
    calls = []

    def module(x):
        calls.append(x.shape)
        return x[:, :2] * 2

    (answer,) = make_numbers(module).run(make_rows(5))
    assert calls == [(5, 3)]
    assert (answer.datatype, answer.shape) == ("FP32", (5, 2))
    assert np.array_equal(
        np.frombuffer(answer.payload, "<f4").reshape(5, 2), np.arange(15.0).reshape(5, 3)[:, :2].astype("f4") * 2
    )


def test_tensor_when_payload_is_a_slice_of_a_frame_then_it_is_read_in_place():
    data = b"\0\0\0" + np.array([[1, 2, 3]], dtype="<f4").tobytes() + b"\xff"
    (answer,) = make_numbers(lambda x: x[:, 1:]).run([Tensor("FP32", (1, 3), memoryview(data)[3:15])])
    assert np.frombuffer(answer.payload, "<f4").tolist() == [2.0, 3.0]


def test_tensor_when_module_gives_a_mapping_then_outputs_stand_in_the_order_of_the_signature():
    manifest = make_manifest("tensor", [("x", "FP32", [-1, 3])], [("b", "FP32", [-1, 3]), ("a", "INT64", [-1])])
    pipeline = make_pipeline(manifest, "/", lambda x: {"a": x.argmax(1), "b": x})
    assert [answer.datatype for answer in pipeline.run(make_rows(2))] == ["FP32", "INT64"]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (lambda x: x[:, :2].double(), "output `y` is FP64, the signature says FP32"),
        (lambda x: x, "output `y` has shape [2, 3], the signature says [-1, 2]"),
        (lambda x: x[:, :2] / 0, "not finite"),
        (lambda x: (x, x), "gives 2 outputs"),
        (lambda x: "text", "gives no tensors"),
        (lambda x: {"z": x}, "gives no output `y`"),
    ],
)
def test_tensor_when_answer_breaks_the_signature_then_model_failed(module, words):
    with pytest.raises(Unavailable) as caught:
        make_numbers(module).run(make_rows(2))
    assert caught.value.code == "model_failed"
    assert words in caught.value.message


def test_classification_when_texts_differ_in_length_then_each_gets_its_own_label(tmp_path):
    label, score = make_classifier(tmp_path, count_letters).run(make_texts("가가나", "나", "가"))
    assert unpack_strings(label.payload) == [b"first", b"second", b"first"]
    assert np.allclose(np.frombuffer(score.payload, "<f4"), 1 / (1 + np.exp(-1)))


def test_classification_when_signature_asks_for_scores_then_they_sum_to_one(tmp_path):
    outputs = (("scores", "FP32", [-1, 2]), ("label", "BYTES", [-1]))
    scores, label = make_classifier(tmp_path, count_letters, outputs).run(make_texts("가", "나나"))
    assert np.allclose(np.frombuffer(scores.payload, "<f4").reshape(2, 2).sum(1), 1)
    assert label.shape == (2,)


def test_classification_when_text_is_empty_then_it_is_answered(tmp_path):
    label, _ = make_classifier(tmp_path, count_letters).run(make_texts(""))
    assert label.shape == (1,)


def test_classification_when_text_is_not_utf8_then_invalid(tmp_path):
    with pytest.raises(Invalid, match="not UTF-8"):
        make_classifier(tmp_path, count_letters).run([Tensor("BYTES", (1,), pack_strings([b"\xff\xfe"]))])


def test_classification_when_module_gives_other_labels_then_model_failed(tmp_path):
    with pytest.raises(Unavailable, match=r"\[1, 2\] is wanted"):
        make_classifier(tmp_path, lambda ids: torch.zeros(len(ids), 3)).run(make_texts("가"))


def test_classification_when_signature_does_not_fit_then_refused(tmp_path):
    with pytest.raises(Invalid, match=r"signature\.outputs\.score:"):
        make_classifier(tmp_path, count_letters, (("score", "FP64", [-1]),))


def test_make_pipeline_when_task_is_unknown_then_refused():
    with pytest.raises(Invalid, match="task: must be one of tensor, text-classification"):
        make_pipeline(make_manifest("magic", [("x", "FP32", [-1])], [("y", "FP32", [-1])]), "/", torch.nn.Identity())


@pytest.mark.parametrize("text", ["{}", "[]", "[1]", '["a","a"]', '[{"name":"a"}]', "not json", "[" * 100_000])
def test_read_labels_when_file_is_no_list_of_labels_then_refused(tmp_path, text):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(Invalid):
        read_labels(path)
