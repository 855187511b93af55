"""A small client of tus 1.0.0 that can also do wrong, and a client of the rest of the API, over real sockets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

TYPE = "application/offset+octet-stream"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Give the body as JSON."""
        return json.loads(self.body)


class Caller:
    """Calls one installation with one key."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key

    def connect(self) -> http.client.HTTPConnection:
        """Give a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call an address under /api/v1, or a whole one."""
        return self.send(self.connect(), method, path, body, **headers)

    def send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
    ) -> Answer:
        """Call over a connection and close it."""
        path = path if path.startswith("/") else f"/api/v1/{path}"
        sent = {"Authorization": f"Bearer {self.key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if isinstance(body, dict):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(method, path, body, sent)
            got = connection.getresponse()
            lower = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, lower, got.read())
        finally:
            connection.close()

    def begin(self, name: str, size: int, **more: Any) -> str:
        """Begin an upload and give its path."""
        made = self.call("POST", "uploads", {"name": name, "size_bytes": size, **more})
        assert made.status == 201, made
        return "/" + made.headers["location"].split("/", 3)[3]

    def patch(self, path: str, offset: int, body: bytes | Iterable[bytes], **headers: str) -> Answer:
        """Send bytes from an offset on; an iterable goes out chunked unless its length is given."""
        return self.call("PATCH", path, body, **{"Content-Type": TYPE, "Upload-Offset": str(offset), **headers})

    def offset(self, path: str) -> int:
        """Ask how far an upload is."""
        return int(self.call("HEAD", path).headers["upload-offset"])
