"""`MLmodel`: what MLflow wrote of a model folder, read as data. Nothing that it names is imported or run.

Source: MLflow's documentation, "MLflow Models": storage format, model signature. The file may come from anybody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from common import strict_yaml
from common.errors import Invalid
from registry.formats import unique_keys
from registry.signature import MAX_TENSORS, parse_signature

MLMODEL = "MLmodel"
MAX_BYTES = 1024 * 1024
# What says where to find packages for it; shown, never installed.
ENVIRONMENT = ("conda.yaml", "python_env.yaml", "requirements.txt", "uv.lock")
_DEEPEST, _MOST_VALUES = 24, 20_000
_MOST_FLAVOURS, _LONGEST = 20, 200
_TEXTS = ("model_uuid", "model_id", "run_id", "mlflow_version", "utc_time_created")
_DATATYPES = {
    "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64", "int8": "INT8", "int16": "INT16",
    "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "str": "BYTES", "object": "BYTES",
}  # fmt: skip
_COLUMNS = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
            "string": "BYTES"}  # fmt: skip


def read_mlmodel(path: Path) -> Mapping[str, Any]:
    """Give the content of an `MLmodel` file. Raises Invalid for one that is too large, or more than plain YAML."""
    if path.stat().st_size > MAX_BYTES:
        _refuse(f"has more than {MAX_BYTES} bytes")
    try:
        value, _node = strict_yaml.load(path.read_text("utf-8"), deepest=_DEEPEST, most_values=_MOST_VALUES)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = getattr(error, "problem", None) or str(error)
        _refuse(f"is not plain YAML: {' '.join(str(said).split())[:_LONGEST]}")
    if not isinstance(value, Mapping) or not isinstance(value.get("flavors"), Mapping):
        _refuse("must be an object with flavors")
    return value


def facts(value: Mapping[str, Any], files: Collection[str]) -> dict[str, Any]:
    """Give what a reader wants to know of it, as plain data of bounded size."""
    flavours = value["flavors"]
    names = sorted(flavours, key=str)[:_MOST_FLAVOURS]
    told: dict[str, Any] = {"flavours": [_flavour(name, flavours[name]) for name in names]}
    told |= {key: _text(value[key]) for key in _TEXTS if isinstance(value.get(key), str | int | float)}
    told["environment"] = [name for name in ENVIRONMENT if name in files]
    signature = value.get("signature")
    if isinstance(signature, Mapping):
        sides = {side: _entries(signature.get(side)) for side in ("inputs", "outputs")}
        told |= {side: [_describe(entry) for entry in entries[:MAX_TENSORS]] for side, entries in sides.items()}
    return told


def signature_of(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give its signature as one of ours, `None` where it has none or one that says more than tensors can."""
    said = value.get("signature")
    if not isinstance(said, Mapping):
        return None
    ours = {side: _specs(_entries(said.get(side)), side.removesuffix("s")) for side in ("inputs", "outputs")}
    try:
        return parse_signature(ours).as_dict()
    except Invalid:
        return None


def _flavour(name: Any, said: Any) -> dict[str, str]:
    known = said if isinstance(said, Mapping) else {}
    version = next((known[key] for key in sorted(known, key=str) if str(key).endswith("_version")), "")
    loader = known.get("loader_module", "")
    return {"name": _text(name), "version": _text(version), **({"loader": _text(loader)} if loader else {})}


def _entries(text: Any) -> list[Any]:
    """Give the list that one side of a signature holds: JSON within the YAML."""
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        return []
    try:
        found = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _specs(entries: Sequence[Any], side: str) -> list[dict[str, Any] | None]:
    unnamed = sum(not (isinstance(entry, Mapping) and entry.get("name")) for entry in entries)
    names = iter([side] if unnamed == 1 else [f"{side}_{number}" for number in range(unnamed)])
    return [_spec(entry, names) for entry in entries[: MAX_TENSORS + 1]]


def _spec(entry: Any, names: Any) -> dict[str, Any] | None:
    if not isinstance(entry, Mapping):
        return None
    name = entry.get("name") or next(names)
    tensor = entry.get("tensor-spec")
    if entry.get("type") != "tensor":
        return {"name": name, "datatype": _COLUMNS.get(str(entry.get("type"))), "shape": [-1]}
    if not isinstance(tensor, Mapping):
        return None
    return {"name": name, "datatype": _DATATYPES.get(str(tensor.get("dtype"))), "shape": tensor.get("shape")}


def _describe(entry: Any) -> dict[str, str]:
    """Give an entry of a signature in words: its name and what it is."""
    if not isinstance(entry, Mapping):
        return {"name": "", "kind": _text(entry)}
    tensor = entry.get("tensor-spec")
    kind = f"{tensor.get('dtype')} {tensor.get('shape')}" if isinstance(tensor, Mapping) else entry.get("type")
    return {"name": _text(entry.get("name") or ""), "kind": _text(kind)}


def _text(value: Any) -> str:
    """Give a value as one short line that can be shown and kept."""
    line = "".join(one if one.isprintable() else " " for one in str(value)[: 2 * _LONGEST])
    return " ".join(line.split())[:_LONGEST]


def _refuse(why: str) -> NoReturn:
    raise Invalid(f"{MLMODEL}: {why}", fields={MLMODEL: why})
