"""How deep a JSON text is nested, by its brackets alone, at a few nanoseconds a byte."""

from __future__ import annotations

import re
from itertools import accumulate

LEAST_BYTES = 16 * 1024  # of a text; below it going bracket by bracket is as fast
_PIECE_BYTES = 256 * 1024
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\x00\x00")
_SIGNED_STEPS = bytes({**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", 255)}.get(byte, 0) for byte in range(256))


def depth_of(body: bytes) -> int:
    """Give the depth of a text; of one that is no JSON, how many more brackets are opened than closed at most."""
    if len(body) >= LEAST_BYTES:
        return _depth_of_long(body)
    steps = _STRINGS.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(steps, lambda depth, step: depth + 1 if step else depth - 1), default=0)


def _depth_of_long(body: bytes) -> int:
    """Do the same without a step of Python for each bracket or string: the event loop waits for it."""
    import numpy as np  # noqa: PLC0415 - not each process needs it

    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")  # which leaves the quotes at the ends of strings
    deepest = depth = quotes = 0
    for start in range(0, len(body), _PIECE_BYTES):
        piece = body[start : start + _PIECE_BYTES]
        steps = np.frombuffer(piece.translate(_SIGNED_STEPS), np.int8)
        if quotes or b'"' in piece:
            before = np.cumsum(np.frombuffer(piece, np.uint8) == ord('"'), dtype=np.uint8) + np.uint8(quotes)
            steps, quotes = steps * (before % 2 == 0), int(before[-1]) % 2
        depths = np.cumsum(steps, dtype=np.int32)
        deepest, depth = max(deepest, depth + int(depths.max())), depth + int(depths[-1])
    return deepest
