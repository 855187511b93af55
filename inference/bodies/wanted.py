"""Which outputs a caller of the Open Inference Protocol wants, and in which form. Pure: no ORM, no request.

Source: Triton, docs/protocol/extension_binary_data.md and extension_classification.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from common.errors import Invalid
from registry.signature import Signature, TensorSpec


class Wanted(NamedTuple):
    """One output as a caller wants it: as bytes or as JSON, as it is or as its `classes` best classes."""

    name: str
    is_binary: bool = False
    classes: int = 0


def read_wanted(body: dict[str, Any], signature: Signature) -> tuple[Wanted, ...] | None:
    """Give what the object of a call asks for, `None` where that is all outputs as JSON. Raises Invalid."""
    entries, parameters = body.get("outputs"), body.get("parameters")
    if not entries and not parameters and not signature.is_binary_only:
        return None
    is_binary = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    if not entries:
        wanted = [Wanted(spec.name, is_binary) for spec in signature.outputs]
    elif isinstance(entries, list):
        wanted = [_wanted_output(entry, signature, is_binary) for entry in entries]
    else:
        raise _bad("outputs", "must be a list")
    if len({each.name for each in wanted}) != len(wanted):
        raise _bad("outputs", "an output is asked for twice")
    for spec in signature.outputs:
        if spec.datatype == "BF16" and any(each == Wanted(spec.name) for each in wanted):
            raise _bad("outputs", f"JSON has no BF16; ask for {spec.name} as binary data")
    return tuple(wanted)


def _wanted_output(entry: Any, signature: Signature, is_binary: bool) -> Wanted:
    name = entry.get("name") if isinstance(entry, dict) else None
    spec = next((spec for spec in signature.outputs if spec.name == name), None)
    if spec is None:
        known = ", ".join(sorted(spec.name for spec in signature.outputs))
        raise _bad("outputs", f"{str(name)[:100]} is no output of this model; it gives {known}")
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise _bad("outputs", f"the parameters of {spec.name} must be an object")
    if "shared_memory_region" in parameters:
        raise _bad("outputs", f"{spec.name}: shared memory is not supported here")
    binary_data = parameters.get("binary_data", is_binary)
    if type(binary_data) is not bool:
        raise _bad("outputs", f"binary_data of {spec.name} must be true or false")
    return Wanted(spec.name, binary_data, _classes(spec, parameters.get("classification"), signature))


def _classes(spec: TensorSpec, count: Any, signature: Signature) -> int:
    """Give how many classes are wanted, nought for the values themselves. Source: extension_classification.md."""
    if count is None or (type(count) is int and count == 0):
        return 0
    if type(count) is not int or count < 0:
        raise _bad("outputs", f"classification of {spec.name} must be a number of classes")
    sizes = spec.row_shape if signature.is_batched else spec.shape
    if spec.datatype in ("BYTES", "BOOL") or not sizes:
        raise _bad("outputs", f"{spec.name} gives no value for each class, so it cannot be classified")
    return count


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
