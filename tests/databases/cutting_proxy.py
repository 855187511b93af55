"""A way to a database server that is cut at a COMMIT, before or after the server has heard of it."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

COMMIT = re.compile(rb"(\x03|Q....)COMMIT", re.DOTALL)  # the message of MySQL, that of PostgreSQL


class CuttingProxy:
    """Passes bytes between clients and a server's socket. `cut` is None, "before" or "after"."""

    def __init__(self, place: Path, server: Path) -> None:
        self.cut: str | None = None
        self.cuts = 0
        self._server = str(server)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more clients."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, target, source is client), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_from_client: bool) -> None:
        try:
            while data := source.recv(65536):
                if is_from_client and self.cut and COMMIT.search(data):
                    self._cut(data, target)
                    break
                if self.cut and self.cuts:
                    break  # the answer to the COMMIT, which must not arrive
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _cut(self, data: bytes, server: socket.socket) -> None:
        self.cuts += 1
        if self.cut == "after":
            server.sendall(data)
            threading.Event().wait(0.3)  # long enough for the server to commit
