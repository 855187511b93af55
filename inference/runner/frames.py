"""The wire between web and a model's child process: length-prefixed frames of tensors over a unix socket.

A tensor's payload is that of the Open Inference Protocol's binary extension: little-endian, row-major, BOOL one byte,
BYTES elements each a 4-byte little-endian length and the bytes. Tensors stand in the order of the version's signature,
so frames carry no names. No Django, no torch: both ends import this module.

Frame: `u32 length of the rest | u64 id | u8 kind | u8 tensors | u32 a | u32 b | tensors or error text`
  INFER   a = milliseconds the caller still waits (0: no limit), b = 0
  RESULT  a = microseconds in the child's queue, b = microseconds in the model
  ERROR   the rest is UTF-8 text `code\\nmessage`
After the tensors of a RESULT may stand `f32 runs of the model for each row`; older readers pass over it.
Tensor: `u8 datatype | u8 dimensions | u64 bytes | i64 for each dimension | payload`
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

INFER, RESULT, ERROR = 1, 2, 3
CLOSING = "closing"  # the code of an ERROR to call 0: no more is taken, what was sent will be answered
MAX_FRAME_BYTES = 1 << 28
MAX_RESULT_BYTES = 64 << 20  # of what answers one frame; more is not read
MAX_ERROR_BYTES = 4096

_HEAD = struct.Struct("<IQBBII")
_AFTER_LENGTH = _HEAD.size - 4
_TENSOR = struct.Struct("<BBQ")
_SHARE = struct.Struct("<f")
_DIMENSIONS = [struct.Struct(f"<{n}q") for n in range(33)]

CODES = {
    name: code
    for code, name in enumerate(
        "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES BF16".split()  # noqa: SIM905
    )
}
NAMES = {code: name for name, code in CODES.items()}


class TooLongError(ValueError):
    """A result has more bytes than the peer reads."""


class FrameError(ValueError):
    """The peer sent bytes that are no frame; the connection is of no more use."""


class Tensor(NamedTuple):
    """A tensor as it travels: Open Inference Protocol datatype, shape, and payload bytes."""

    datatype: str
    shape: tuple[int, ...]
    payload: bytes | memoryview


@dataclass(slots=True)
class Frame:
    """One message; `text` is set on errors only."""

    id: int
    kind: int
    a: int
    b: int
    tensors: list[Tensor]
    text: str = ""
    share: float = 0.0


def pack(
    *, id: int, kind: int, a: int = 0, b: int = 0, tensors: Sequence[Tensor] = (), share: float = 0.0
) -> list[bytes | memoryview]:
    """Give the pieces of a frame, for one `writelines`; payloads are not copied.

    Raises TooLongError for a result of more than `MAX_RESULT_BYTES`.
    """
    pieces: list[bytes | memoryview] = [b""]
    size = _AFTER_LENGTH
    for datatype, shape, payload in tensors:
        head = _TENSOR.pack(CODES[datatype], len(shape), len(payload)) + _DIMENSIONS[len(shape)].pack(*shape)
        size += len(head) + len(payload)
        pieces += (head, payload)
    if share:
        pieces.append(_SHARE.pack(share))
        size += _SHARE.size
    if kind == RESULT and size > MAX_RESULT_BYTES:
        raise TooLongError(f"the model gave an answer of {size:,} bytes, more than {MAX_RESULT_BYTES:,}")
    pieces[0] = _HEAD.pack(size, id, kind, len(tensors), a, b)
    return pieces


def pack_error(*, id: int, code: str, message: str) -> bytes:
    """Give a whole error frame."""
    text = f"{code}\n{message}".encode("utf-8", "replace")
    return _HEAD.pack(_AFTER_LENGTH + len(text), id, ERROR, 0, 0, 0) + text


def pack_strings(values: Iterable[bytes]) -> bytes:
    """Give the payload of a BYTES tensor."""
    return b"".join(piece for value in values for piece in (len(value).to_bytes(4, "little"), value))


def unpack_strings(payload: bytes | memoryview, most: int = MAX_FRAME_BYTES) -> list[bytes]:
    """Give the elements of a BYTES payload. Raises FrameError if lengths and bytes do not fit, or beyond `most`."""
    data = bytes(payload)
    values: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if at > end or len(values) == most:
            raise FrameError("a BYTES element runs past the end of its tensor")
        values.append(data[start:at])
    return values


def split_rows(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Cut a tensor along its first dimension into parts of the given numbers of rows."""
    datatype, shape, payload = tensor
    if len(sizes) == 1:
        return [tensor]
    rest = shape[1:]
    parts, at = [], 0
    if datatype == "BYTES":
        per_row = 1
        for dimension in rest:
            per_row *= dimension
        values = unpack_strings(payload)
        for rows in sizes:
            parts.append(Tensor(datatype, (rows, *rest), pack_strings(values[at : at + rows * per_row])))
            at += rows * per_row
        return parts
    stride = len(payload) // shape[0] if shape[0] else 0
    view = memoryview(payload)
    for rows in sizes:
        parts.append(Tensor(datatype, (rows, *rest), view[at : at + rows * stride]))
        at += rows * stride
    return parts


def join_rows(parts: Sequence[Tensor]) -> Tensor:
    """Put tensors of one datatype and trailing shape together along the first dimension."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    rows = sum(part.shape[0] for part in parts)
    return Tensor(first.datatype, (rows, *first.shape[1:]), b"".join(part.payload for part in parts))


class Reader:
    """Turns the bytes of one connection into frames."""

    def __init__(self, most_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, give the frames that are now whole. Raises FrameError on bytes that are no frame."""
        self._buffer += data
        frames, at, buffer = [], 0, self._buffer
        while len(buffer) - at >= 4:
            size = int.from_bytes(buffer[at : at + 4], "little")
            if size < _AFTER_LENGTH or size > self._most_bytes:
                raise FrameError(f"a frame of {size} bytes")
            if len(buffer) - at - 4 < size:
                break
            frames.append(_read(bytes(memoryview(buffer)[at : at + 4 + size])))
            at += 4 + size
        if at:
            del buffer[:at]
        return frames


def _read(data: bytes) -> Frame:
    _, id, kind, count, a, b = _HEAD.unpack_from(data)
    at, end = _HEAD.size, len(data)
    if kind == ERROR:
        return Frame(id, kind, a, b, [], data[at : at + MAX_ERROR_BYTES].decode("utf-8", "replace"))
    tensors, view = [], memoryview(data)
    try:
        for _ in range(count):
            code, dimensions, size = _TENSOR.unpack_from(data, at)
            at += _TENSOR.size
            shape = _DIMENSIONS[dimensions].unpack_from(data, at)
            at += 8 * dimensions
            if at + size > end:
                raise FrameError("a tensor runs past the end of its frame")
            tensors.append(Tensor(NAMES[code], shape, view[at : at + size]))
            at += size
    except (struct.error, KeyError, IndexError) as error:
        raise FrameError(f"a damaged frame: {error}") from error
    share = _SHARE.unpack_from(data, at)[0] if end - at >= _SHARE.size else 0.0
    return Frame(id, kind, a, b, tensors, share=share)
