"""Small HTTP servers on 127.0.0.1 that answer as they are told, and misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

Answer = Callable[[bytes, socket.socket], bytes | None]


class HttpServer:
    """Gives each request to `answer`, which gives the bytes to send, or None when it has sent them by itself."""

    def __init__(self, answer: Answer, certificate: Path | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Give its address."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            peer.settimeout(20)
            if self._context:
                peer = self._context.wrap_socket(peer, server_side=True)
            request = read_request(peer)
            self.requests.append(request)
            sent = self._answer(request, peer)
            if sent is not None:
                peer.sendall(sent)
        except OSError:
            return
        finally:
            peer.close()


def read_request(peer: socket.socket) -> bytes:
    """Give one request, its body too where its length is told."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = peer.recv(65_536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += peer.recv(65_536)
    return head + b"\r\n\r\n" + body


def say(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Give the bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
