"""Bytes on a socket, past any HTTP client that would mend them."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Heard:
    """What came back before the connection ended: the statuses of all answers and the bytes."""

    statuses: list[int]
    raw: bytes

    @property
    def is_html(self) -> bool:
        """Say whether a page came back."""
        return b"text/html" in self.raw.lower() or b"<html" in self.raw.lower()

    def __str__(self) -> str:
        """Give the statuses, or that the connection was closed."""
        return ", ".join(map(str, self.statuses)) or "closed without an answer"


def say(port: int, *pieces: bytes, timeout_s: float = 5.0) -> Heard:
    """Send pieces over a new connection and hear everything until it ends, or nothing comes for a while."""
    raw = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            while data := connection.recv(65536):
                raw += data
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
    lines = [line for line in raw.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    return Heard([int(line.split(b" ")[1]) for line in lines], raw)


def call(method: bytes, target: bytes, *headers: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """Give the bytes of a request that ends its connection; a header of the same name as a usual one replaces it."""
    named = {header.split(b":", 1)[0].lower() for header in headers}
    usual = {b"host": b"127.0.0.1", b"connection": b"close"}
    if body and not named & {b"transfer-encoding", b"content-length"}:
        usual[b"content-length"] = b"%d" % len(body)
    lines = [b"%s %s %s" % (method, target, version)]
    lines += [b"%s: %s" % (name, value) for name, value in usual.items() if name not in named]
    return b"\r\n".join([*lines, *headers, b"", body])
