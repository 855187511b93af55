"""The files of a version at its signed address (`inference/elsewhere/artefacts.py`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.db import DatabaseError, InterfaceError
from django.http import FileResponse, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from accounts.throttling import count_anonymous
from common.api.errors import json_error
from common.errors import FluemanError
from files.services import open_blob
from inference.elsewhere.artefacts import find_file, find_version

View = Callable[..., HttpResponseBase]


def _answering(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, **where: str) -> HttpResponseBase:
        try:
            count_anonymous()
            response = view(request, **where)
        except (FluemanError, DatabaseError, InterfaceError) as error:
            return json_error(error)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    return require_GET(answer)


@_answering
def index(request: HttpRequest, signed: str) -> HttpResponseBase:
    """List the files: path, size and SHA-256."""
    version = find_version(signed)
    files = [
        {"path": file.path, "size_bytes": file.blob.size_bytes, "sha256": file.blob_id} for file in version.files.all()
    ]
    return JsonResponse({"model": version.model.name, "version": version.number, "files": files})


@_answering
def content(request: HttpRequest, signed: str, path: str) -> HttpResponseBase:
    """Send one file."""
    file = find_file(signed, path)
    response = FileResponse(open_blob(file.blob), as_attachment=True, content_type="application/octet-stream")
    response["Content-Length"] = str(file.blob.size_bytes)
    response["X-Content-Type-Options"] = "nosniff"
    return response
