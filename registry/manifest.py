"""`flueman.json`: what a version's folder says of itself, checked before anything in it is opened.

No torch, no Django: the registry reads it too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from common.errors import Invalid
from registry import huggingface
from registry.architectures import NAMES, read_arguments
from registry.formats import PROGRAMS, REFUSED, WEIGHTS, sniff, unique_keys
from registry.signature import Signature, infer_shape, parse_signature, read_numbers, read_texts

MANIFEST = "flueman.json"
CONVERTED_WEIGHTS = "model.safetensors"  # what a state dict becomes
REMOTE = "remote"  # no weights here: a server elsewhere runs it
FORMATS = ("safetensors", "state_dict", "torchscript", "exported_program", huggingface.FORMAT, REMOTE)
TASKS = ("tensor", *huggingface.TASKS)
LABELLED = frozenset({"text-classification", "token-classification"})
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_BATCH = 4096

_KEYS = frozenset(
    (
        *("format", "architecture", "arguments", "task", "signature", "weights", "tokeniser", "labels"),
        *("limits", "sample", "name", "description", "metrics", "remote", "mlflow"),
    )
)


@dataclass(slots=True)
class Manifest:
    """A manifest that fits its folder; `raw` is the object as it was written."""

    format: str
    architecture: str | None
    arguments: Mapping[str, Any]
    task: str
    signature: Signature
    weights: str
    tokeniser: str | None
    labels: str | None
    limits: Mapping[str, int]
    sample: Mapping[str, Any]
    raw: Mapping[str, Any]


def is_program(model_format: str) -> bool:
    """Whether a version of this format is a program, which needs trust, and not only weights."""
    return model_format in PROGRAMS


def read_manifest(folder: Path) -> Manifest:
    """Give the manifest of a folder, its files checked by name and by content. Raises Invalid naming the field."""
    files = list_files(folder)
    if MANIFEST not in files:
        _refuse(MANIFEST, "is missing")
    manifest = parse_manifest(load_json(folder / MANIFEST), files)
    if manifest.format == REMOTE:
        _refuse("format", "a version that runs elsewhere is registered from its server, not from files")
    check_contents(folder, manifest, files)
    return manifest


def load_json(path: Path) -> Any:
    """Give the content of a JSON file. Raises Invalid for one that is too large, repeats a key or holds NaN."""
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        _refuse(path.name, f"has more than {MAX_MANIFEST_BYTES} bytes")
    try:
        return json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        _refuse(path.name, f"is not JSON: {str(error)[:200]}")


def list_files(folder: Path) -> frozenset[str]:
    """Give the paths of a folder's files, relative and with slashes. Raises Invalid for a link or a special file."""
    found = set()
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                _refuse(relative, "is neither a file nor a folder")
            if path.is_file():
                found.add(relative)
    return frozenset(found)


def check_contents(folder: Path, manifest: Manifest, files: Collection[str]) -> None:
    """Compare what the files hold with what is said of them. Raises Invalid naming the first that lies."""
    is_huggingface = manifest.format == huggingface.FORMAT
    for name in sorted(files):
        kind = sniff(folder / name)
        if kind in REFUSED:
            _refuse(name, f"is {REFUSED[kind]}")
        if name == manifest.weights and kind != manifest.format and not is_huggingface:
            _refuse(name, f"is {kind} by its content, the manifest says {manifest.format}")
        if name != manifest.weights and kind in PROGRAMS:
            _refuse(name, f"is {kind}, a program that the manifest does not name")
    if is_huggingface:
        huggingface.check_folder(
            folder, files, weights=manifest.weights, task=manifest.task, architecture=manifest.architecture
        )


def parse_manifest(value: Any, files: Collection[str]) -> Manifest:
    """Give a manifest from plain data; `files` are the folder's paths. Raises Invalid naming the field."""
    if not isinstance(value, Mapping):
        _refuse(MANIFEST, "must be an object")
    if not isinstance(value.get("mlflow", {}), Mapping):
        _refuse("mlflow", "must be an object")
    for key in value.keys() - _KEYS:
        _refuse(str(key)[:100], f"is not known; a manifest has {', '.join(sorted(_KEYS))}")
    model_format, task = _word(value, "format", FORMATS), _word(value, "task", TASKS)
    signature = parse_signature(value.get("signature"))
    architecture, arguments = _architecture(value, model_format)
    if model_format == huggingface.FORMAT and task == "tensor":
        _refuse("task", f"a Hugging Face folder serves one of {', '.join(huggingface.TASKS)}")
    is_here, has_texts = model_format != REMOTE, task != "tensor"
    return Manifest(
        format=model_format,
        architecture=architecture,
        arguments=arguments,
        task=task,
        signature=signature,
        weights=_file(value, "weights", files, is_needed=is_here),
        tokeniser=_file(value, "tokeniser", files, is_needed=is_here and has_texts) or None,
        labels=_file(value, "labels", files, is_needed=is_here and task in LABELLED) or None,
        limits=_limits(value.get("limits", {})),
        sample=_sample(value.get("sample", {}), signature),
        raw=value,
    )


def _architecture(value: Mapping[str, Any], model_format: str) -> tuple[str | None, Mapping[str, Any]]:
    """Give the architecture, where the format has one, and its arguments."""
    if model_format == huggingface.FORMAT:
        named = value.get("architecture")
        if not isinstance(named, str) or not named.isidentifier() or len(named) > 100:
            _refuse("architecture", "is missing")
        return named, huggingface.read_arguments(value.get("arguments", {}))
    if model_format not in WEIGHTS:
        return None, {}
    architecture = _word(value, "architecture", NAMES)
    return architecture, read_arguments(architecture, value.get("arguments", {}))


def _word(value: Mapping[str, Any], key: str, words: tuple[str, ...]) -> str:
    word = value.get(key)
    if word is None:
        _refuse(key, "is missing")
    if word not in words:
        _refuse(key, f"must be one of {', '.join(words)}")
    return str(word)


def _file(value: Mapping[str, Any], key: str, files: Collection[str], *, is_needed: bool) -> str:
    name = value.get(key)
    if name is None:
        if is_needed:
            _refuse(key, "is missing")
        return ""
    if not isinstance(name, str) or not name:
        _refuse(key, "must be the path of a file in the folder")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or path.as_posix() != name or not name.isprintable():
        _refuse(key, "must be a plain path inside the folder")
    if name not in files:
        _refuse(key, f"{name[:200]} is not in the folder")
    return name


def _limits(value: Any) -> Mapping[str, int]:
    if not isinstance(value, Mapping) or value.keys() - {"max_batch"}:
        _refuse("limits", "must be an object with max_batch")
    most = value.get("max_batch", MAX_BATCH)
    if type(most) is not int or not 1 <= most <= MAX_BATCH:
        _refuse("limits.max_batch", f"must be a whole number from 1 to {MAX_BATCH}")
    return dict(value)


def _sample(value: Any, signature: Signature) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse("sample", "must be an object of nested lists by input name")
    if not value:
        return {}
    names = {spec.name for spec in signature.inputs}
    if value.keys() != names:
        _refuse("sample", f"must hold exactly the inputs {', '.join(sorted(names))}")
    for spec in signature.inputs:
        data = value[spec.name]
        read = read_texts if spec.datatype == "BYTES" else read_numbers
        try:
            read(spec, infer_shape(spec, data), data)
        except Invalid as error:
            _refuse(f"sample.{spec.name}", error.message)
    return dict(value)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _refuse(field: str, why: str) -> NoReturn:
    raise Invalid(f"{field}: {why}", fields={field: why})
