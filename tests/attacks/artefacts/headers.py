"""Weights, manifests, labels and tokenisers that hurt whoever parses them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save

from tests.attacks.artefacts.pickles import CHECK, DOOR, PASSES, Canary, Case, saved, version
from tests.runner.making import make_folder, make_manifest, make_text_folder, make_weights

GOOD = {
    "0.weight": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
    "0.bias": {"dtype": "F32", "shape": [2], "data_offsets": [32, 40]},
}


def tensors(header: Any, data: bytes = bytes(40), length: int | None = None) -> bytes:
    """Give a safetensors file of a header, given as bytes or to be written as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def of_tensors(make: Callable[[], bytes], verdict: str = CHECK) -> Case:
    return Case(lambda folder, canary: version(folder, "model.safetensors", make(), "safetensors"), verdict)


def changed(**fields: Any) -> Callable[[], bytes]:
    return lambda: tensors(GOOD | {"0.weight": {**GOOD["0.weight"], **fields}})


def many(count: int) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [40, 40]}
    return tensors(GOOD | {f"x{n}": entry for n in range(count)})


def of_manifest(verdict: str = DOOR, **changes: Any) -> Case:
    return Case(lambda folder, canary: make_folder(folder, **changes), verdict)


def of_text(text: Callable[[], str | bytes], verdict: str = DOOR) -> Case:
    """Give a case whose manifest is the text."""

    def make(folder: Path, canary: Canary) -> None:
        make_folder(folder)
        content = text()
        (folder / "flueman.json").write_bytes(content if isinstance(content, bytes) else content.encode())

    return Case(make, verdict)


def of_labels(value: Any, verdict: str = CHECK) -> Case:
    def make(folder: Path, canary: Canary) -> None:
        make_text_folder(folder)
        content = value() if callable(value) else json.dumps(value).encode()
        (folder / "labels.json").write_bytes(content)

    return Case(make, verdict)


def of_tokeniser(change: Callable[[dict[str, Any]], Any], verdict: str = CHECK, sample: str = "안녕") -> Case:
    def make(folder: Path, canary: Canary) -> None:
        make_text_folder(folder)
        path = folder / "tokenizer.json"
        value = json.loads(path.read_text())
        told = change(value)
        path.write_text(json.dumps(value if told is None else told))
        manifest = json.loads((folder / "flueman.json").read_text())
        (folder / "flueman.json").write_text(json.dumps(manifest | {"sample": {"text": [sample]}}))

    return Case(make, verdict)


def _catastrophe(value: dict[str, Any]) -> None:
    value["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(a|a|aa)+$"},
        "behavior": "Removed",
        "invert": False,
    }


def _vocabulary(value: dict[str, Any]) -> None:
    value["model"]["vocab"] = {"[UNK]": 1, **{f"w{n}": n + 2 for n in range(2_000_000)}}


def _ids(value: dict[str, Any]) -> None:
    value["model"]["vocab"]["안녕"] = 4_000_000_000


def _deep(folder: Path, canary: Canary) -> None:
    make_text_folder(folder)
    (folder / "tokenizer.json").write_text('{"a":' * 100_000)


def _two_weights(folder: Path, canary: Canary) -> None:
    """Weights of many more numbers than bytes: one number, expanded."""
    import torch

    version(folder, "model.pt", saved({"0.weight": torch.zeros(1).expand(2, 4), "0.bias": torch.zeros(2)}))


def _expanded(folder: Path, canary: Canary) -> None:
    import torch

    version(folder, "model.pt", saved({"0.weight": torch.zeros(1).expand(1 << 20, 1 << 20), "0.bias": torch.zeros(2)}))


NESTED = b'{"a":' * 200_000
HUGE = 1 << 40
TENSOR = {"name": "x", "datatype": "FP32", "shape": [-1, 4]}

TENSORS: dict[str, Case] = {
    "header of 2^63 bytes": of_tensors(lambda: tensors(GOOD, length=1 << 63), DOOR),
    "header longer than the file": of_tensors(lambda: tensors(GOOD, length=10_000), DOOR),
    "header of 100 MB": of_tensors(lambda: tensors(b'{"a":"' + b"x" * 100_000_000 + b'"}'), DOOR),
    "header of 8 MB, tensors without end": of_tensors(lambda: many(90_000)),
    "header of 8 MB of empty objects": of_tensors(lambda: tensors(b'{"a":[' + b"{}," * 2_000_000 + b"{}]}"), DOOR),
    "header nested 200,000 deep": of_tensors(lambda: tensors(NESTED), DOOR),
    "header that is a list": of_tensors(lambda: tensors([GOOD]), DOOR),
    "header with NaN": of_tensors(lambda: tensors(b'{"a":NaN}'), DOOR),
    "header that is no UTF-8": of_tensors(lambda: tensors(b'{"\xff":1}'), DOOR),
    "name twice in the header": of_tensors(
        lambda: tensors(json.dumps(GOOD).encode()[:-1] + b"," + json.dumps(GOOD).encode()[1:]),
        DOOR,
    ),
    "metadata that is no text": of_tensors(lambda: tensors(GOOD | {"__metadata__": {"a": [1]}})),
    "negative offset": of_tensors(changed(data_offsets=[-32, 0])),
    "overlapping offsets": of_tensors(changed(data_offsets=[8, 40])),
    "offset past the end": of_tensors(changed(data_offsets=[0, 1 << 40])),
    "offsets the wrong way round": of_tensors(changed(data_offsets=[32, 0])),
    "offsets that are fractions": of_tensors(changed(data_offsets=[0, 32.5])),
    "offsets of 10^400": of_tensors(changed(data_offsets=[0, 10**400])),
    "shape whose product overflows": of_tensors(changed(shape=[1 << 32, 1 << 32, 4])),
    "shape with a negative side": of_tensors(changed(shape=[-2, -4])),
    "shape of 10,000 sides": of_tensors(changed(shape=[1] * 10_000)),
    "shape that does not fit its bytes": of_tensors(changed(shape=[3, 4])),
    "unknown dtype": of_tensors(changed(dtype="F8192")),
    "dtype that is an object": of_tensors(changed(dtype={"a": 1})),
    "hole between tensors": of_tensors(
        lambda: tensors(GOOD | {"0.bias": {**GOOD["0.bias"], "data_offsets": [36, 44]}}, bytes(44))
    ),
    "bytes after the last tensor": of_tensors(lambda: tensors(GOOD, bytes(400))),
    "zip archive after the last tensor": of_tensors(lambda: save(make_weights()) + saved({"a": 1})),
    "zip archive before the header": of_tensors(lambda: saved({"a": 1}) + save(make_weights()), DOOR),
    "weights cut short": of_tensors(lambda: save(make_weights())[:-7]),
    "weights of another model": of_tensors(lambda: save({"other.weight": make_weights()["0.weight"]})),
    "weights that are NaN": of_tensors(lambda: save({n: t * float("nan") for n, t in make_weights().items()})),
    "tensor of 2^40 numbers in one, expanded": Case(_expanded, CHECK),
    "tensors that share their memory": Case(_two_weights, PASSES),
}

MANIFESTS: dict[str, Case] = {
    "layer of 2^40 numbers": of_manifest(arguments={"sizes": [4, HUGE]}),
    "layers of 2^20 by 2^20": of_manifest(arguments={"sizes": [1 << 20, 1 << 20]}),
    "10,000 layers": of_manifest(arguments={"sizes": [4] * 10_000}),
    "layer of true numbers": of_manifest(arguments={"sizes": [True, 2]}),
    "layer of 10^400 numbers": of_text(lambda: '{"arguments": {"sizes": [4, 1e400]}}'),
    "unknown architecture": of_manifest(architecture="os.system"),
    "architecture that is a list": of_manifest(architecture=["mlp"]),
    "unknown argument": of_manifest(arguments={"sizes": [4, 2], "__class__": "x"}),
    "unknown key": of_manifest(__proto__={}),
    "reference to itself": of_manifest(weights="flueman.json"),
    "reference as JSON schemas have it": of_text(lambda: '{"$ref": "#"}'),
    "weights above the folder": of_manifest(weights="../../../etc/passwd"),
    "weights at an absolute path": of_manifest(weights="/etc/passwd"),
    "weights behind backslashes": of_manifest(weights="..\\..\\secret"),
    "weights with NUL": of_manifest(weights="model.safetensors\0.json"),
    "weights that are a number": of_manifest(weights=7),
    "manifest nested 200,000 deep": of_text(lambda: NESTED),
    "manifest of 100 MB": of_text(lambda: '{"name": "' + "x" * 100_000_000 + '"}'),
    "one key 60,000 times": of_text(lambda: "{" + ",".join(f'"{n}":1' for n in range(60_000)) + ',"59999":1}'),
    "number of 100,000 digits": of_text(lambda: '{"limits": {"max_batch": ' + "9" * 100_000 + "}}"),
    "manifest that is no UTF-8": of_text(lambda: b"\xff\xfe{}"),
    "manifest that is a number": of_text(lambda: "7"),
    "NaN in the manifest": of_text(lambda: '{"metrics": {"a": NaN}}'),
    "input of 2^40 numbers": of_manifest(signature={"inputs": [{**TENSOR, "shape": [-1, HUGE]}], "outputs": [TENSOR]}),
    "65 inputs": of_manifest(signature={"inputs": [TENSOR] * 65, "outputs": [TENSOR]}),
    "input of 9 sides": of_manifest(signature={"inputs": [{**TENSOR, "shape": [1] * 9}], "outputs": [TENSOR]}),
    "input larger than any memory": of_manifest(
        CHECK, signature={"inputs": [{**TENSOR, "shape": [1 << 26] * 2}], "outputs": [{**TENSOR, "name": "y"}]}
    ),
    "batch of 10^9": of_manifest(limits={"max_batch": 10**9}),
    "sample of another form": of_manifest(sample={"x": [[1, 2], [3]]}),
    "sample nested 1,000 deep": of_text(lambda: json.dumps(make_sample("@")).replace('"@"', "[" * 900 + "]" * 900)),
}


def make_sample(value: Any) -> dict[str, Any]:
    """Give a whole manifest with a sample."""
    from tests.runner.making import SIGNATURE

    return {
        "format": "safetensors",
        "architecture": "mlp",
        "arguments": {"sizes": [4, 2]},
        "task": "tensor",
        "weights": "model.safetensors",
        "signature": SIGNATURE,
        "sample": {"x": value},
    }


TEXTS: dict[str, Case] = {
    "labels, one too many": of_labels(["a", "b", "c"]),
    "labels, one too few": of_labels(["a"]),
    "labels, one twice": of_labels(["a", "a"]),
    "labels that are numbers": of_labels([1, 2]),
    "labels with NUL": of_labels(["a\0", "b"]),
    "labels that are no list": of_labels({"a": 1}),
    "label of 10 MB": of_labels(["a" * 10_000_000, "b"]),
    "labels nested 200,000 deep": of_labels(lambda: b"[" * 200_000),
    "tokeniser with a catastrophic expression": of_tokeniser(_catastrophe, CHECK, "a" * 60 + "!"),
    "tokeniser with ids past the vocabulary": of_tokeniser(_ids),
    "tokeniser of 2,000,000 words": of_tokeniser(_vocabulary, PASSES),
    "tokeniser nested 100,000 deep": Case(_deep, CHECK),
    "tokeniser that is no tokeniser": of_tokeniser(lambda value: {"model": {"type": "os.system"}}),
}

__all__ = ["MANIFESTS", "TENSORS", "TEXTS", "make_manifest"]
