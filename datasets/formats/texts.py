"""Texts line by line, whatever their encoding; a line that has no end costs no memory. Pure."""

from __future__ import annotations

import codecs
import io
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from datasets.formats.facts import MOST_LINE_BYTES

BLOCK_BYTES = 1 << 18
_MARK = "\ufeff"


class Lines:
    """The lines of a text with their numbers. `is_damaged` says of the last one that its bytes are no such text.

    `TOO_LONG` stands for a line of more than `MOST_LINE_BYTES`; what it begins with is `beginning`.
    """

    TOO_LONG = "\0too long\0"

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.number = 0
        self.is_damaged = False
        self.beginning = ""
        wide = encoding.startswith("utf-16")
        self._stream = io.BufferedReader(_Narrowed(stream, encoding), 1 << 20) if wide else stream
        self._encoding = "utf-8" if wide else encoding
        self.is_utf8 = self._encoding == "utf-8"
        self._again: deque[bytes] = deque()

    def __iter__(self) -> Iterator[str]:
        while (line := self.next()) is not None:
            yield line

    def next(self) -> str | None:
        """Give the next line with its end, `None` after the last."""
        raw = self._raw()
        if not raw:
            return None
        self.number += 1
        if len(raw) > MOST_LINE_BYTES and not raw.endswith(b"\n"):
            self.beginning = raw[:4000].decode(self._encoding, "replace")
            while len(raw) > MOST_LINE_BYTES and not raw.endswith(b"\n"):
                raw = self._stream.readline(MOST_LINE_BYTES + 1)
            return self.TOO_LONG
        try:
            text = raw.decode(self._encoding)
            self.is_damaged = False
        except UnicodeDecodeError:
            text = raw.decode(self._encoding, "surrogateescape")
            self.is_damaged = True
        return text.removeprefix(_MARK) if self.number == 1 else text

    def block(self, most_bytes: int = BLOCK_BYTES, most: int | None = None) -> list[bytes]:
        """Give about so many bytes of lines as they are, to be passed by or given back; none after the last."""
        found: list[bytes] = []
        size = 0
        while size < most_bytes and len(found) != most and (raw := self._raw()):
            found.append(raw)
            size += len(raw)
        return found

    def pass_by(self, block: Sequence[bytes]) -> None:
        """Count the lines of a block as read."""
        self.number += len(block)

    def give_back(self, block: Sequence[bytes]) -> None:
        """Give the lines of a block once more, one by one."""
        self._again.extendleft(reversed(block))

    def _raw(self) -> bytes:
        return self._again.popleft() if self._again else self._stream.readline(MOST_LINE_BYTES + 1)


class _Narrowed(io.RawIOBase):
    """UTF-16 as UTF-8; halves of pairs stay wrong, so that their line is found."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._ready = b""
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._is_over:
            block = self._stream.read(1 << 18)
            self._is_over = not block
            try:
                text = self._decoder.decode(block, self._is_over)
            except UnicodeDecodeError:  # one byte is left over at the end
                text = "\ud800"
            self._ready = text.encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def shown(text: str) -> str:
    """Give a text whose wrong bytes are made visible."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
