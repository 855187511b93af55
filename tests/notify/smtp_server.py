"""A small mail server that speaks as real ones do, and misbehaves as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any


class SmtpServer:
    """Takes letters on a free port of 127.0.0.1. `script` says what to answer, or do, at a command: a list for each.

    Answers are lines such as `450 later`; `drop` closes the connection; a number is a pause in seconds.
    """

    def __init__(self, certificate: Path | None = None, *, offers_tls: bool = False, is_tls: bool = False) -> None:
        self.letters: list[Message] = []
        self.commands: list[str] = []
        self.script: dict[str, list[Any]] = {}
        self._offers_tls, self._is_tls = offers_tls, is_tls
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening, also in the thread that waits for the next caller."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_quietly, args=(peer,), daemon=True).start()

    def _serve_quietly(self, peer: socket.socket) -> None:
        try:
            if self._is_tls and self._context:
                peer = self._context.wrap_socket(peer, server_side=True)
            self._serve(peer)
        except OSError:
            return
        finally:
            peer.close()

    def _serve(self, peer: socket.socket) -> None:
        lines = peer.makefile("rb")
        if not self._say(peer, "CONNECT", "220 here"):
            return
        while line := lines.readline():
            command = line.decode().strip()
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb == "STARTTLS" and self._context and self._offers_tls:
                peer.sendall(b"220 go\r\n")
                peer = self._context.wrap_socket(peer, server_side=True)
                lines = peer.makefile("rb")
            elif verb == "EHLO":
                extra = "250-STARTTLS\r\n" if self._offers_tls and not isinstance(peer, ssl.SSLSocket) else ""
                peer.sendall(f"250-here\r\n{extra}250 8BITMIME\r\n".encode())
            elif verb == "DATA":
                if not self._say(peer, "DATA", "354 go on") or not self._take(peer, lines):
                    return
            elif not self._say(peer, verb, "221 bye" if verb == "QUIT" else "250 ok") or verb == "QUIT":
                return

    def _take(self, peer: socket.socket, lines: Any) -> bool:
        body = b""
        while (line := lines.readline()) not in (b".\r\n", b""):
            body += line[1:] if line.startswith(b"..") else line
            if self.script.get("MIDDLE"):
                self.script["MIDDLE"].pop()
                return False
        step = self.script.get("END", [])
        if step and str(step[0]).startswith(("4", "5")):
            return self._say(peer, "END", "")
        self.letters.append(message_from_bytes(body))
        return self._say(peer, "END", "250 taken")

    def _say(self, peer: socket.socket, verb: str, usual: str) -> bool:
        steps = self.script.get(verb, [])
        step = steps.pop(0) if steps else usual
        if isinstance(step, int | float):
            time.sleep(step)
            step = usual
        if step == "drop":
            return False
        peer.sendall(f"{step}\r\n".encode())
        return not str(step).startswith("421")
