"""Web servers of files that break off, go on, change, hang and lie."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.attacks.outgoing.servers import HttpServer


class FileServer:
    """Serves bytes by range; `cut_after` are how many bytes each answer gives before the connection breaks."""

    def __init__(self, data: bytes, *, cuts: list[int] | None = None, marks: list[str] | None = None) -> None:
        self.data, self.cuts, self.marks = data, list(cuts or []), list(marks or ['"v1"'])
        self.ranges: list[str] = []
        self.http = HttpServer(self._answer)
        self.url = f"{self.http.url}/%EC%9E%90%EB%A3%8C.csv?token=geheim"

    @property
    def requests(self) -> list[bytes]:
        """Give what was asked."""
        return self.http.requests

    def _answer(self, request: bytes, peer: socket.socket) -> None:
        head = request.decode("latin-1")
        mark = self.marks.pop(0) if len(self.marks) > 1 else self.marks[0]
        wanted = re.search(r"\r\nRange: bytes=(\d+)-", head, re.I)
        condition = re.search(r"\r\nIf-Range: (.*?)\r\n", head, re.I)
        self.ranges.append(wanted[1] if wanted else "")
        start = int(wanted[1]) if wanted and condition and condition[1] == mark else 0
        body = self.data[start:]
        status = "206 Partial Content" if start else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"ETag: {mark}", "Connection: close"]
        if start:
            lines.append(f"Content-Range: bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        most = self.cuts.pop(0) if self.cuts else len(body)
        peer.sendall("\r\n".join([*lines, "", ""]).encode() + body[:most])


@contextmanager
def served(answer: Callable[[bytes, socket.socket], bytes | None]) -> Iterator[HttpServer]:
    """Give a server that answers as told."""
    server = HttpServer(answer)
    try:
        yield server
    finally:
        server.close()
