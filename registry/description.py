"""A manifest put together from what a person typed: tensors as lines, arguments as texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from common.errors import Invalid
from registry.architectures import ARCHITECTURES, Wholes

_LINE = re.compile(r"(?P<name>\S+)[\s:]+(?P<datatype>[A-Za-z0-9]+)\s*\[(?P<shape>[^\]]*)\]")
# What task files are called where nobody says otherwise.
_USUAL_FILES = {"tokeniser": "tokenizer.json", "labels": "labels.json"}


def describe(
    *, task: str, architecture: str, arguments: Mapping[str, str], inputs: str, outputs: str, paths: Collection[str]
) -> dict[str, Any]:
    """Give a manifest without weights and format. Raises Invalid naming the field."""
    manifest: dict[str, Any] = {
        "task": task,
        "signature": {"inputs": read_tensors(inputs, "inputs"), "outputs": read_tensors(outputs, "outputs")},
    }
    if architecture:
        manifest |= {"architecture": architecture, "arguments": read_arguments(architecture, arguments)}
    if task != "tensor":
        manifest |= {key: name for key, name in _USUAL_FILES.items() if name in paths}
    return manifest


def read_tensors(text: str, field: str) -> list[dict[str, Any]]:
    """Read lines such as `x FP32 [-1, 256]`. Raises Invalid naming the line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise _bad(field, "write one line for each, such as x FP32 [-1, 256]")
    return [_read_tensor(line, field) for line in lines]


def read_arguments(architecture: str, typed: Mapping[str, str]) -> dict[str, Any]:
    """Give an architecture's arguments from what was typed, without those left empty. Raises Invalid naming one."""
    if architecture not in ARCHITECTURES:
        raise _bad("architecture", f"must be one of {', '.join(ARCHITECTURES)}")
    kinds = ARCHITECTURES[architecture].arguments
    return {
        name: _read_argument(name, kinds[name], text.strip())
        for name, text in typed.items()
        if name in kinds and text.strip()
    }


def _read_tensor(line: str, field: str) -> dict[str, Any]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise _bad(field, f"{line[:100]!r} is not of the form: x FP32 [-1, 256]")
    sides = [side.strip() for side in found["shape"].split(",") if side.strip()]
    try:
        shape = [int(side) for side in sides]
    except ValueError:
        raise _bad(field, f"{line[:100]!r}: sizes are whole numbers, -1 for any") from None
    return {"name": found["name"].rstrip(":"), "datatype": found["datatype"].upper(), "shape": shape}


def _read_argument(name: str, kind: object, text: str) -> Any:
    try:
        if isinstance(kind, Wholes):
            return [int(part) for part in re.split(r"[\s,]+", text.strip("[] ")) if part]
        return int(text) if re.fullmatch(r"-?\d{1,12}", text) else text
    except ValueError:
        raise _bad(f"arguments.{name}", "must be whole numbers, such as 256, 512, 16") from None


def _bad(field: str, what: str) -> Invalid:
    return Invalid(f"{field}: {what}", fields={field: what})
