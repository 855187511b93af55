"""The input of a call that was too large for its row, as a file to take away."""

from __future__ import annotations

from django.http import FileResponse

from files.models import Blob
from files.services import open_blob
from inference.bodies.stored import HEAD_BYTES, has_bytes


def input_file(blob: Blob, name: str) -> FileResponse:
    """Give the answer that carries the file: JSON, or where the call was binary its JSON and then its bytes."""
    stream = open_blob(blob)
    is_binary = has_bytes(stream.read(HEAD_BYTES))
    stream.seek(0)
    kind, ending = ("application/octet-stream", "bin") if is_binary else ("application/json", "json")
    return FileResponse(stream, as_attachment=True, filename=f"{name}.{ending}", content_type=kind)
