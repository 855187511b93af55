"""Hugging Face folders: recognised by `config.json`, bounded before anything allocates, and described as a manifest.

Only safetensors, `tokenizer.json` and a few figures of the other files are read; code, chat templates and quantisers
never are. No torch, no transformers, no Django.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from common.errors import Invalid
from common.tokenizer_files import MOST_BYTES, check_tokenizer
from registry.formats import safetensors_elements, sniff, unique_keys

FORMAT = "huggingface"
CONFIG, TOKENISER, LABELS = "config.json", "tokenizer.json", "labels.json"
_TOKENISER_CONFIG = "tokenizer_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TASKS = ("text-classification", "token-classification", "embedding")
POOLINGS = ("mean", "cls")
SCORES = ("softmax", "sigmoid")
MAX_TOKENS = 512
MAX_LABELS = 4096

_HEADS = {"ForSequenceClassification": TASKS[0], "ForTokenClassification": TASKS[1]}
# Encoders of text by `model_type`: what begins the names of their classes.
_TYPES = {
    "bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert",
    "distilbert": "DistilBert", "electra": "Electra", "albert": "Albert", "mpnet": "MPNet",
    "deberta-v2": "DebertaV2", "modernbert": "ModernBert",
}  # fmt: skip
_SHARED_LAYERS = frozenset({"albert"})
_OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})  # positions begin after the padding's
_REFUSED_KEYS = {
    "auto_map": "names code of the author's, which is never run",
    "custom_pipelines": "names code of the author's, which is never run",
    "quantization_config": "asks for a quantiser, and those are not loaded: save the plain weights",
    "_commit_hash": "",
}
_BOUNDS = {
    "hidden_size": 8192, "dim": 8192, "embedding_size": 8192, "intermediate_size": 1 << 16, "hidden_dim": 1 << 16,
    "num_hidden_layers": 128, "n_layers": 128, "num_attention_heads": 256, "n_heads": 256, "vocab_size": 1 << 20,
    "max_position_embeddings": 1 << 16, "type_vocab_size": 64, "num_hidden_groups": 128, "inner_group_num": 16,
    "position_buckets": 4096, "max_relative_positions": 1 << 16, "relative_attention_num_buckets": 4096,
}  # fmt: skip
_MOST_OF_A_NUMBER = 1 << 24  # any other whole number of a config
_SIGNED = frozenset({"sparse_pred_ignore_index"})  # a label that does not count: no size, and -100 by custom
_MAX_JSON_BYTES = 1 << 20
_NUMBERED = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_CODE = (".py", ".pyc", ".so", ".ipynb")


def is_huggingface(files: Collection[str]) -> bool:
    """Whether a folder without `flueman.json` is one of Hugging Face's."""
    return CONFIG in files and bool({WEIGHTS, INDEX}.intersection(files))


def describe(folder: Path, files: Collection[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the manifest of a folder, and write its labels where it has some. What was given goes before what was found.

    Raises Invalid naming the file and field of what is refused.
    """
    config = _read_config(folder, files)
    task = str(given.get("task") or _task(config, files))
    if task not in TASKS:
        _refuse("task", f"a Hugging Face folder serves one of {', '.join(TASKS)}")
    labels = _labels(config) if task != "embedding" else []
    if labels and LABELS not in files:
        (folder / LABELS).write_text(json.dumps(labels, ensure_ascii=False, indent=1), encoding="utf-8")
    return {
        "format": FORMAT,
        "task": task,
        "architecture": _class_name(config, task),
        "arguments": _arguments(folder, files, config, task),
        "weights": INDEX if INDEX in files else WEIGHTS,
        "tokeniser": TOKENISER,
        **({"labels": LABELS} if labels else {}),
        "signature": _signature(task, config, len(labels)),
        **{key: value for key, value in given.items() if key not in ("format", "weights", "architecture")},
    }


def check_folder(folder: Path, files: Collection[str], *, weights: str, task: str, architecture: str | None) -> None:
    """Refuse a folder that holds code, or says more than its weights hold. Raises Invalid."""
    config = _read_config(folder, files)
    if architecture != _class_name(config, task):
        _refuse("architecture", f"must be {_class_name(config, task)} for this folder")
    shards = _shards(folder, weights, files)
    for name in sorted(files):
        kind = sniff(folder / name)
        if kind == "state_dict":
            _refuse(name, "is a state dict; of a Hugging Face folder only safetensors is read: leave it out")
        if name in shards and kind != "safetensors":
            _refuse(name, f"is {kind} by its content, and no safetensors")
    held = sum(safetensors_elements(folder / name) for name in shards)
    if (wanted := _least_parameters(config)) > held:
        _refuse(CONFIG, f"asks for {wanted} parameters, the weights hold {held}")
    _check_tokeniser(folder / TOKENISER)


def read_arguments(value: Any) -> dict[str, Any]:
    """Give the arguments of a manifest, with defaults filled in. Raises Invalid naming the field."""
    if not isinstance(value, Mapping) or value.keys() - {"pooling", "normalise", "max_tokens", "scores"}:
        _refuse("arguments", "a Hugging Face folder takes max_tokens, pooling, normalise, scores")
    chosen = {"pooling": "mean", "normalise": False, "max_tokens": MAX_TOKENS, "scores": "softmax"} | dict(value)
    if chosen["pooling"] not in POOLINGS:
        _refuse("arguments.pooling", f"must be one of {', '.join(POOLINGS)}")
    if chosen["scores"] not in SCORES:
        _refuse("arguments.scores", f"must be one of {', '.join(SCORES)}")
    if type(chosen["normalise"]) is not bool:
        _refuse("arguments.normalise", "must be true or false")
    if type(chosen["max_tokens"]) is not int or not 1 <= chosen["max_tokens"] <= 1 << 14:
        _refuse("arguments.max_tokens", f"must be a whole number from 1 to {1 << 14}")
    return chosen


def _read_config(folder: Path, files: Collection[str]) -> Mapping[str, Any]:
    for name in sorted(files):
        if name.lower().endswith(_CODE):
            _refuse(name, "is code, which is never run: leave it out")
        if name.rpartition("/")[2] == "adapter_config.json":
            _refuse(name, "is an adapter: merge it into the weights first")
    if TOKENISER not in files:
        _refuse(TOKENISER, "is missing: save the fast tokeniser")
    config = _load(folder / CONFIG)
    for key, why in _REFUSED_KEYS.items():
        if why and config.get(key):
            _refuse(f"{CONFIG}: {key}", why)
    if _TOKENISER_CONFIG in files and _load(folder / _TOKENISER_CONFIG).get("auto_map"):
        _refuse(f"{_TOKENISER_CONFIG}: auto_map", _REFUSED_KEYS["auto_map"])
    if not _is_text(config.get("model_type")) or config["model_type"] not in _TYPES:
        _refuse(f"{CONFIG}: model_type", f"must be one of {', '.join(_TYPES)}")
    _check_numbers(config, CONFIG)
    return config


def _check_numbers(value: Any, where: str) -> None:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, one in pairs:
        if isinstance(one, (Mapping, list)):
            _check_numbers(one, where)
        elif isinstance(one, int | float):
            most = _BOUNDS.get(str(key), _MOST_OF_A_NUMBER)
            if not (-most if key in _SIGNED else -1) <= one <= most:
                _refuse(f"{where}: {str(key)[:100]}", f"must be a number up to {most}")


def _least_parameters(config: Mapping[str, Any]) -> int:
    """Give fewer parameters than any model of these figures has: what it would allocate stands in its weights too."""
    hidden = _figure(config, "hidden_size", "dim")
    layers = 1 if config["model_type"] in _SHARED_LAYERS else _figure(config, "num_hidden_layers", "n_layers")
    inner = _figure(config, "intermediate_size", "hidden_dim")
    narrow = min(hidden, _figure(config, "embedding_size", missing=hidden))
    embedded = narrow * _figure(config, "vocab_size")
    if config["model_type"] not in ("modernbert", "deberta-v2"):  # those have relative positions
        embedded += narrow * _figure(config, "max_position_embeddings")
    return embedded + layers * (4 * hidden * hidden + 2 * hidden * inner)


def _figure(config: Mapping[str, Any], *names: str, missing: int | None = None) -> int:
    for name in names:
        if name in config:
            if type(config[name]) is not int or config[name] < 1:
                _refuse(f"{CONFIG}: {name}", "must be a whole number")
            return int(config[name])
    if missing is None:
        _refuse(f"{CONFIG}: {names[0]}", "is missing")
    return missing


def _task(config: Mapping[str, Any], files: Collection[str]) -> str:
    if "modules.json" in files:
        return "embedding"
    named = config.get("architectures") or []
    name = str(named[0]) if isinstance(named, list) and named else ""
    for head, task in _HEADS.items():
        if name.endswith(head):
            return task
    if not name.endswith("Model"):
        _refuse("task", f"cannot be told from the architecture {name[:100] or '(none)'}: name it")
    return "embedding"


def _class_name(config: Mapping[str, Any], task: str) -> str:
    head = next((head for head, one in _HEADS.items() if one == task), "Model")
    return _TYPES[config["model_type"]] + head


def _labels(config: Mapping[str, Any]) -> list[str]:
    found = config.get("id2label")
    if not isinstance(found, Mapping) or not 2 <= len(found) <= MAX_LABELS:
        _refuse(f"{CONFIG}: id2label", f"must name 2 to {MAX_LABELS} labels")
    labels = [found.get(str(place)) for place in range(len(found))]
    if not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels):
        _refuse(f"{CONFIG}: id2label", "must give a text of its own to each number from 0 on")
    return [str(label) for label in labels]


def _arguments(folder: Path, files: Collection[str], config: Mapping[str, Any], task: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {"max_tokens": _max_tokens(folder, files, config)}
    if task == "embedding":
        arguments |= _pooling(folder, files)
    elif task == "text-classification" and config.get("problem_type") == "multi_label_classification":
        arguments["scores"] = "sigmoid"
    return arguments


def _max_tokens(folder: Path, files: Collection[str], config: Mapping[str, Any]) -> int:
    """Give how many tokens of a text the model takes: what its positions, its tokeniser and its author allow."""
    positions = _figure(config, "max_position_embeddings", missing=MAX_TOKENS)
    if config["model_type"] in _OFFSET_POSITIONS:
        positions -= 2
    limits = [positions, MAX_TOKENS]
    for name, key in ((_TOKENISER_CONFIG, "model_max_length"), ("sentence_bert_config.json", "max_seq_length")):
        value = _load(folder / name).get(key) if name in files else None
        if isinstance(value, int | float) and 1 <= value < 1 << 14:
            limits.append(int(value))
    return max(1, min(limits))


def _pooling(folder: Path, files: Collection[str]) -> dict[str, Any]:
    """Give how the vectors of tokens become one, as sentence-transformers' files say it."""
    found = {"pooling": "mean", "normalise": False}
    for module in _load(folder / "modules.json", kind=list) if "modules.json" in files else []:
        kind = str(module.get("type") if isinstance(module, Mapping) else "").rpartition(".")[2]
        if kind == "Pooling":
            found["pooling"] = _pooling_mode(folder, files, f"{module.get('path')}/config.json")
        elif kind == "Normalize":
            found["normalise"] = True
        elif kind != "Transformer":
            _refuse("modules.json", f"has a {kind[:50]}; Transformer, Pooling and Normalize are served")
    return found


def _pooling_mode(folder: Path, files: Collection[str], name: str) -> str:
    if name not in files:
        _refuse("modules.json", f"{name[:200]} is not in the folder")
    read = _load(folder / name)
    modes = {key.removeprefix("pooling_mode_") for key, on in read.items() if key.startswith("pooling_mode_") and on}
    modes |= {str(read["pooling_mode"])} if isinstance(read.get("pooling_mode"), str) else set()
    word = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}
    if len(modes) != 1 or (mode := modes.pop()) not in word:
        _refuse(name, "must pool by the mean or by the first token")
    return word[mode]


def _signature(task: str, config: Mapping[str, Any], labels: int) -> dict[str, Any]:
    outputs: list[dict[str, Any]] = {
        "text-classification": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "score", "datatype": "FP32", "shape": [-1]},
            {"name": "scores", "datatype": "FP32", "shape": [-1, labels]},
        ],
        "token-classification": [{"name": "entities", "datatype": "BYTES", "shape": [-1]}],
        "embedding": [{"name": "embedding", "datatype": "FP32", "shape": [-1, _figure(config, "hidden_size", "dim")]}],
    }[task]
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}], "outputs": outputs}


def _shards(folder: Path, weights: str, files: Collection[str]) -> set[str]:
    if weights == WEIGHTS:
        return {WEIGHTS}
    if weights != INDEX:
        _refuse("weights", f"must be one of {', '.join((WEIGHTS, INDEX))}")
    index = _load(folder / INDEX, most=8 * _MAX_JSON_BYTES).get("weight_map")
    named = set(index.values()) if isinstance(index, Mapping) and all(map(_is_text, index.values())) else set()
    if not named or not all(_NUMBERED.fullmatch(name) for name in named) or WEIGHTS in files:
        _refuse(INDEX, "must name files model-00001-of-00002.safetensors, and no other weights beside them")
    if missing := sorted(named - set(files)):
        _refuse(INDEX, f"{missing[0]} is not in the folder")
    return named


def _check_tokeniser(path: Path) -> None:
    """Refuse a tokeniser made to hurt whoever reads it."""
    try:
        check_tokenizer(_load(path, most=MOST_BYTES))
    except ValueError as error:
        _refuse(TOKENISER, str(error))


def _load(path: Path, *, most: int = _MAX_JSON_BYTES, kind: type = dict) -> Any:
    if path.stat().st_size > most:
        _refuse(path.name, f"has more than {most} bytes")
    try:
        read = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        _refuse(path.name, f"is not JSON: {str(error)[:200]}")
    if not isinstance(read, kind):
        _refuse(path.name, "must be an object" if kind is dict else "must be a list")
    return read


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _refuse(field: str, why: str) -> NoReturn:
    raise Invalid(f"{field}: {why}", fields={field: why})
