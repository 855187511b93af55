"""Numbers of each datatype as arrays and as the bytes that travel: little-endian, row-major. Pure.

numpy has no bfloat16: such numbers are float32 in arrays, and the upper half of those bits on their way.
"""

from __future__ import annotations

import numpy as np

DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
ITEM_BYTES = {name: dtype.itemsize for name, dtype in DTYPES.items()} | {"BF16": 2}

_SINGLE = np.dtype("<f4")
_BF16_EXPONENT = 0x7F80  # all ones: infinity or no number


def array_dtype(datatype: str) -> np.dtype:
    """Give the dtype of arrays that hold numbers of a datatype."""
    return DTYPES.get(datatype, _SINGLE)


def to_array(datatype: str, payload: bytes | memoryview) -> np.ndarray:
    """Give the numbers of a payload as a flat array, which shares its memory unless the datatype is BF16."""
    if datatype == "BF16":
        return (np.frombuffer(payload, "<u2").astype("<u4") << 16).view(_SINGLE)
    return np.frombuffer(payload, DTYPES[datatype])


def to_payload(datatype: str, values: np.ndarray) -> bytes:
    """Give the bytes of an array of `array_dtype`; float32 is rounded to the nearest BF16, ties to even."""
    if datatype != "BF16":
        return values.astype(DTYPES[datatype], copy=False).tobytes()
    bits = np.ascontiguousarray(values, _SINGLE).view("<u4").astype("<u8")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def are_finite(datatype: str, payload: bytes | memoryview) -> bool:
    """Whether a payload of a datatype of fractions holds neither infinity nor NaN."""
    if datatype == "BF16":
        return not bool(((np.frombuffer(payload, "<u2") & _BF16_EXPONENT) == _BF16_EXPONENT).any())
    return bool(np.isfinite(np.frombuffer(payload, DTYPES[datatype])).all())
