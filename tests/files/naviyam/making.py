"""Callers of the public shelf, and what they send."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Any

from django.test import Client

from files.models import StoredFile
from files.services import add_file, shelf

USER, PASSWORD = "나비얌", "a password of the environment"


def basic(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """Give the header of a name and password."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def make_client(**headers: str) -> Client:
    """Give a client with the name and password of the environment."""
    return Client(headers=basic() | headers)


def put(name: str, content: bytes = b"x", folder: str = "") -> StoredFile:
    """Put a file on the shelf."""
    return add_file(stream=io.BytesIO(content), name=name, owner=shelf(), folder=folder)


def form(*parts: tuple[str, str | None, bytes], mark: str = "mark") -> dict[str, Any]:
    """Give body and type of a form made by hand: name, file name or `None`, content."""
    body = b""
    for name, filename, content in parts:
        said = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
        body += f"--{mark}\r\nContent-Disposition: {said}\r\n\r\n".encode() + content + b"\r\n"
    return {"data": body + f"--{mark}--\r\n".encode(), "content_type": f"multipart/form-data; boundary={mark}"}


def whole(answer: Any) -> bytes:
    """Give all bytes of an answer."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content
