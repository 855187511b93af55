"""Which column of a file is which input: by what is given, by name, and by type. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from registry.signature import FLOATS, Signature, TensorSpec

_WORD = re.compile(r"[\W_]+")
_IDS = ("id", "key", "row_id", "rowid", "uuid", "index")


def guess_columns(
    signature: Signature, types: Mapping[str, pa.DataType | None], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Give a column for each input, and the inputs for which none fits."""
    found = {spec.name: given[spec.name] for spec in signature.inputs if given.get(spec.name)}
    for spec in signature.inputs:
        if spec.name in found:
            continue
        left = [name for name, kind in types.items() if name not in found.values() and _may_fit(spec, kind)]
        wanted = _bare(spec.name)
        same = [name for name in left if name == spec.name] or [name for name in left if _bare(name) == wanted]
        alone = left if len(left) == 1 and len(signature.inputs) == 1 else []
        if choice := same or alone or _by_type(spec, {name: types[name] for name in left}, signature):
            found[spec.name] = choice[0]
    return found, [spec.name for spec in signature.inputs if spec.name not in found]


def guess_id(types: Mapping[str, pa.DataType | None], columns: Mapping[str, str]) -> str:
    """Give the column that tells rows apart by its name, empty if none does."""
    left = [name for name in types if name not in columns.values()]
    return next((name for wanted in _IDS for name in left if name.lower() == wanted), "")


def _by_type(spec: TensorSpec, left: Mapping[str, pa.DataType | None], signature: Signature) -> list[str]:
    """Give the only column of a type that is surely right, for a model with one input."""
    sure = [name for name, kind in left.items() if kind is not None and _bare(name) not in _IDS]
    return sure if len(sure) == 1 and len(signature.inputs) == 1 else []


def _bare(name: str) -> str:
    return _WORD.sub("", name).lower()


def _may_fit(spec: TensorSpec, kind: pa.DataType | None) -> bool:
    """Whether a column of a type could hold an input; one without a type may hold anything."""
    if kind is None:
        return True
    for _ in spec.row_shape:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not is_list:
            break
        kind = kind.value_type
    else:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if spec.datatype == "BYTES":
            return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
        if spec.datatype == "BOOL":
            return bool(pa.types.is_boolean(kind))
        return bool(pa.types.is_integer(kind) or (spec.datatype in FLOATS and pa.types.is_floating(kind)))
    return False
