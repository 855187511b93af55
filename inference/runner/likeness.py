"""Whether two outputs of a model say the same, as far as numbers computed in another order can. No Django, no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from registry.numbers import FLOATS

RELATIVE, ABSOLUTE = 1e-3, 1e-4  # FP32 sums in another order differ by less
_COARSER = {"FP16": 10, "BF16": 80}  # by how much coarser these are: BF16 has three bits less than FP16


def is_alike(datatype: str, left: np.ndarray | Sequence[bytes], right: np.ndarray | Sequence[bytes]) -> bool:
    """Compare the flat elements of two outputs of one datatype: arrays, or for BYTES the elements."""
    if datatype == "BYTES":
        return len(left) == len(right) and all(map(_says_the_same, left, right))
    a, b = np.ravel(left), np.ravel(right)
    if datatype not in FLOATS:
        return bool(np.array_equal(a, b))
    factor = _COARSER.get(datatype, 1)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=RELATIVE * factor, atol=ABSOLUTE * factor))


def _says_the_same(left: bytes, right: bytes) -> bool:
    """Whether two texts are one, or JSON whose numbers differ only as those of tensors may."""
    if left == right:
        return True
    try:
        return _is_near(json.loads(left), json.loads(right))
    except (ValueError, RecursionError):
        return False


def _is_near(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return bool(np.isclose(left, right, rtol=RELATIVE, atol=ABSOLUTE))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_near, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_near(left[key], right[key]) for key in left)
    return bool(left == right)
