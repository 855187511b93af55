"""Hugging Face folders: described, bounded before anything allocates, and run behind the walls of every model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import Invalid
from inference.runner import frames
from inference.runner.entities import Mark, find_entities
from inference.runner.frames import Tensor, pack_strings, unpack_strings
from inference.runner.loader import load
from inference.runner.options import Placement
from registry import huggingface
from registry.manifest import list_files, read_manifest
from tests.runner.making import child, run_check
from tests.runner.making_huggingface import SENTENCES, change_json, make_huggingface, make_sentence_transformer

TEXT = "서울에서 민지를 만났어요"
DEVICES = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one folder for each task."""
    root = tmp_path_factory.mktemp("huggingface")
    make_huggingface(root / "text-classification")
    make_huggingface(root / "token-classification", "token-classification")
    make_huggingface(root / "embedding", "embedding", shard="20KB")
    make_sentence_transformer(root / "sentences")
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Callable[..., Path]:
    """Give what copies one of the folders."""
    return lambda name="text-classification": Path(shutil.copytree(made / name, tmp_path / "copy"))


def described(folder: Path, **given: Any) -> Path:
    """Write the manifest that the registry would make."""
    manifest = huggingface.describe(folder, list_files(folder), given)
    (folder / "flueman.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    return folder


def texts(*values: str) -> Tensor:
    """Give texts as a tensor."""
    return Tensor("BYTES", (len(values),), pack_strings([value.encode() for value in values]))


def run(folder: Path, *values: str, placement: Placement = Placement()) -> list[Tensor]:  # noqa: B008 - frozen
    """Load a folder in this process and ask it."""
    return load(folder, read_manifest(folder), placement=placement).run([texts(*values)])


def reference(folder: Path, kind: str, *values: str) -> tuple[Any, Any]:
    """Give what transformers itself gives, and the mask."""
    import transformers
    from tokenizers import Tokenizer

    tokeniser = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokeniser.enable_padding(pad_id=0)
    encodings = tokeniser.encode_batch(list(values))
    ids, mask = (torch.tensor([getattr(one, name) for one in encodings]) for name in ("ids", "attention_mask"))
    with torch.inference_mode():
        return getattr(transformers, kind).from_pretrained(folder)(input_ids=ids, attention_mask=mask)[0], mask


@pytest.mark.parametrize(
    ("name", "task", "architecture", "output"),
    [
        ("text-classification", "text-classification", "BertForSequenceClassification", ["label", "score", "scores"]),
        ("token-classification", "token-classification", "BertForTokenClassification", ["entities"]),
        ("embedding", "embedding", "BertModel", ["embedding"]),
        ("sentences", "embedding", "BertModel", ["embedding"]),
    ],
)
def test_folder_when_it_has_no_manifest_is_described_and_passes_its_check(
    copy: Callable[..., Path], tmp_path: Path, name: str, task: str, architecture: str, output: list[str]
) -> None:
    folder = described(copy(name))
    manifest = read_manifest(folder)
    assert (manifest.task, manifest.architecture) == (task, architecture)
    assert [spec.name for spec in manifest.signature.outputs] == output
    if name != "token-classification":
        return  # one process behind the walls is enough: the others differ in nothing that those would mind
    _, report = run_check(folder, tmp_path / "out")
    assert report["ok"], report["steps"]
    assert report["sample"]["outputs"].keys() == set(output)


def test_classifier_when_asked_gives_the_probabilities_of_transformers(copy: Callable[..., Path]) -> None:
    folder = described(copy())
    _, score, scores = run(folder, TEXT, "환불")
    wanted, _ = reference(folder, "BertForSequenceClassification", TEXT, "환불")
    probabilities = torch.softmax(wanted, 1).numpy()
    assert np.allclose(np.frombuffer(scores.payload, "<f4").reshape(2, 3), probabilities, atol=1e-5)
    assert np.allclose(np.frombuffer(score.payload, "<f4"), probabilities.max(1), atol=1e-5)


def test_classifier_when_it_has_many_labels_a_text_gives_each_its_own_probability(copy: Callable[..., Path]) -> None:
    folder = copy()
    change_json(folder / "config.json", problem_type="multi_label_classification")
    scores = run(described(folder), TEXT)[2]
    wanted, _ = reference(folder, "BertForSequenceClassification", TEXT)
    assert np.allclose(np.frombuffer(scores.payload, "<f4"), torch.sigmoid(wanted).numpy(), atol=1e-5)


def test_tagger_when_asked_marks_the_characters_of_the_text(copy: Callable[..., Path]) -> None:
    folder = described(copy("token-classification"))
    (entities,) = run(folder, *SENTENCES)
    for sentence, answer in zip(SENTENCES, unpack_strings(entities.payload), strict=True):
        for one in json.loads(answer):
            assert sentence[one["start"] : one["end"]] == one["text"]
            assert one["label"] in ("PER", "LOC")
            assert 0 < one["score"] <= 1


def test_entities_when_a_particle_follows_leave_it_outside() -> None:
    marks = [Mark(0, 0, "B-LOC", 1), Mark(0, 2, "B-LOC", 0.9), Mark(2, 4, "O", 0.8), Mark(5, 6, "B-PER", 0.6)]
    marks += [Mark(6, 7, "I-PER", 0.8), Mark(7, 8, "O", 1), Mark(9, 12, "LOC", 0.5)]
    found = find_entities(TEXT, marks)
    assert [(one["text"], one["start"], one["end"], one["label"], one["score"]) for one in found] == [
        ("서울", 0, 2, "LOC", 0.9),
        ("민지", 5, 7, "PER", 0.7),
        ("만났어", 9, 12, "LOC", 0.5),
    ]


def test_embedding_when_asked_is_the_mean_of_the_tokens(copy: Callable[..., Path]) -> None:
    folder = described(copy("embedding"))
    (vectors,) = run(folder, TEXT, "배송")
    hidden, mask = reference(folder, "BertModel", TEXT, "배송")
    wanted = (hidden * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
    assert np.allclose(np.frombuffer(vectors.payload, "<f4").reshape(2, 32), wanted.numpy(), atol=1e-5)


def test_sentence_transformer_when_asked_gives_the_first_token_normalised(copy: Callable[..., Path]) -> None:
    folder = described(copy("sentences"))
    (vectors,) = run(folder, TEXT)
    hidden, _ = reference(folder, "BertModel", TEXT)
    wanted = torch.nn.functional.normalize(hidden[:, 0], dim=1)
    assert np.allclose(np.frombuffer(vectors.payload, "<f4"), wanted.numpy()[0], atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("half", ["", "bf16", "fp16"])
def test_model_when_placed_elsewhere_or_halved_answers_nearly_the_same(
    copy: Callable[..., Path], device: str, half: str
) -> None:
    folder = described(copy())
    plain, placed = (run(folder, TEXT, placement=one)[2] for one in (Placement(), Placement(device, half)))
    a, b = (np.frombuffer(one.payload, "<f4") for one in (plain, placed))
    assert placed.datatype == "FP32"
    assert np.allclose(a, b, atol=0.02 if half else 1e-4)


def test_model_when_its_device_is_not_there_is_refused(copy: Callable[..., Path]) -> None:
    with pytest.raises(Invalid, match="cuda:7 is not there"):
        run(described(copy()), TEXT, placement=Placement("cuda:7"))


@pytest.mark.parametrize(("model_type", "name"), huggingface._TYPES.items())
def test_folder_when_saved_by_transformers_with_its_usual_figures_is_described(
    copy: Callable[..., Path], model_type: str, name: str
) -> None:
    import transformers

    folder = copy("embedding")
    config = getattr(transformers, f"{name}Config")()
    config.save_pretrained(folder)
    assert config.model_type == model_type
    manifest = huggingface.describe(folder, list_files(folder), {"task": "embedding"})
    assert manifest["architecture"] == f"{name}Model"


def test_folder_when_of_modernbert_is_described_and_answers(copy: Callable[..., Path]) -> None:
    import transformers

    folder = copy("embedding")
    for path in folder.glob("model*"):
        path.unlink()
    figures = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = transformers.ModernBertConfig(vocab_size=300, max_position_embeddings=80, pad_token_id=0, **figures)
    transformers.ModernBertModel(config).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["sparse_pred_ignore_index"] == -100
    (vectors,) = run(described(folder), TEXT)
    assert np.isfinite(np.frombuffer(vectors.payload, "<f4")).all()


def _write(name: str, content: bytes = b"import os") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return change


def _config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / "config.json", **changes)


def _tokeniser(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / "tokenizer.json", **changes)


def _save_bin(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")


def _index(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
        index = {"weight_map": {f"w{n}": name for n, name in enumerate(names)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "hidden_size of 10^9": (_config(hidden_size=10**9), "hidden_size: must be a number up to"),
    "layers of 10^6": (_config(num_hidden_layers=10**6), "num_hidden_layers"),
    "vocabulary of 10^9": (_config(vocab_size=10**9), "vocab_size"),
    "more than its weights hold": (_config(hidden_size=4096), "parameters, the weights hold"),
    "vocabulary that the weights lack": (_config(vocab_size=1 << 20), "parameters, the weights hold"),
    "layers as text": (_config(num_hidden_layers="2"), "must be a whole number"),
    "any number of 10^12": (_config(chunk_size_feed_forward=10**12), "chunk_size_feed_forward"),
    "infinite number": (_config(layer_norm_eps=1e400), "is not JSON|must be a number"),
    "sizes below nought": (_config(chunk_size_feed_forward=-2), "chunk_size_feed_forward: must be a number up to"),
    "label far below nought": (_config(sparse_pred_ignore_index=-(10**12)), "sparse_pred_ignore_index"),
    "label that is no number": (
        _write("config.json", b'{"model_type": "bert", "sparse_pred_ignore_index": NaN}'),
        "sparse_pred",
    ),
    "nested bomb": (_config(rope_parameters={"factor": 1e30}), "factor"),
    "auto_map": (_config(auto_map={"AutoModel": "evil.Model"}), "auto_map: names code"),
    "auto_map of the tokeniser": (_write("tokenizer_config.json", b'{"auto_map": {"A": "b.C"}}'), "auto_map"),
    "quantiser": (_config(quantization_config={"quant_method": "hqq"}), "quantiser"),
    "unknown type": (_config(model_type="timm_wrapper"), "model_type: must be one of"),
    "a type that is no word": (_config(model_type={"bert": 1}), "model_type: must be one of"),
    "code": (_write("modeling_bert.py"), "is code, which is never run"),
    "code in a folder": (_write("2_Dense/custom.PY"), "is code, which is never run"),
    "adapter": (_write("adapter_config.json", b"{}"), "is an adapter"),
    "pickle": (_write("training_args.bin", b"\x80\x04cos\nsystem\n."), "is a pickle"),
    "state dict beside": (_save_bin, "only safetensors is read"),
    "no tokeniser": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: is missing"),
    "index out of the folder": (_index("../../secret.safetensors"), "must name files model-"),
    "index of a missing file": (_index("model-00002-of-00002.safetensors"), "is not in the folder"),
    "labels that repeat": (_config(id2label={"0": "a", "1": "a"}), "id2label"),
    "labels with holes": (_config(id2label={"0": "a", "9": "b"}), "id2label"),
    "100,000 added tokens": (
        _tokeniser(added_tokens=[{"id": n, "content": f"t{n}"} for n in range(100_000)]),
        "added tokens",
    ),
    "token of 1 MB": (_tokeniser(added_tokens=[{"id": 0, "content": "a" * (1 << 20)}]), "characters"),
    "pattern of 1 MB": (
        _tokeniser(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a|" * 300_000}}),
        "larger than that|characters",
    ),
    "pattern that explodes": (
        _tokeniser(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+b"}}),
        "repeats a repetition",
    ),
    "key twice": (_write("config.json", b'{"model_type": "bert", "model_type": "gpt2"}'), "stands twice"),
    "deep nesting": (_write("config.json", b'{"a":' * 100_000), "is not JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_folder_when_it_is_hostile_is_refused_before_anything_is_loaded(copy: Callable[..., Path], name: str) -> None:
    folder = copy()
    change, said = HOSTILE[name]
    change(folder)
    with pytest.raises(Invalid, match=said):
        read_manifest(described(folder))


def test_manifest_when_it_names_another_class_of_transformers_is_refused(copy: Callable[..., Path]) -> None:
    folder = described(copy())
    change_json(folder / "flueman.json", architecture="AutoTokenizer")
    with pytest.raises(Invalid, match="must be BertForSequenceClassification"):
        read_manifest(folder)


def test_folder_when_a_weight_is_missing_is_not_loaded(copy: Callable[..., Path]) -> None:
    folder = described(copy())
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(Invalid, match=r"lacks `classifier\.weight`"):
        run(folder, TEXT)


def test_folder_when_its_tokeniser_gives_tokens_that_the_model_lacks_is_not_loaded(copy: Callable[..., Path]) -> None:
    folder = described(copy())
    tokeniser = json.loads((folder / "tokenizer.json").read_text())
    tokeniser["model"]["vocab"]["넘침"] = 9999
    (folder / "tokenizer.json").write_text(json.dumps(tokeniser))
    with pytest.raises(Invalid, match="gives token 9999"):
        run(folder, TEXT)


def test_child_when_texts_are_long_goes_on_and_never_runs_a_template(copy: Callable[..., Path]) -> None:
    folder = copy()
    change_json(folder / "tokenizer_config.json", chat_template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with child(described(folder)) as running:
        long = running.ask(texts("환불하고 싶어요 " * 900))
        assert long.kind == frames.RESULT, long.text
        assert running.ask(texts(TEXT)).kind == frames.RESULT
