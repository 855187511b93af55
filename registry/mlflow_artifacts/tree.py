"""Files of the tree: listed, sent, taken, deleted. Source: MLflow's REST API, `mlflow-artifacts/artifacts`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from accounts.models import User
from common.bodies import take_body
from common.errors import Invalid, TooLarge
from files.content import media_type
from files.downloads import send_file
from files.models import Blob, StoredFile
from files.receiving import Receiving
from files.services import settle
from registry.mlflow.door import Asked, Call, answer, endpoint
from registry.services.artifacts import delete_artifacts, demand_place, find_artifact, list_folder, put_artifact

VIEW, ADD = "registry.view_modelversion", "registry.add_modelversion"


def listing(asked: Asked) -> dict[str, Any]:
    """List a folder; a file, and what is not there, hold nothing."""
    entries = list_folder(asked.said.text("path"))
    return {
        "files": [
            {"path": entry.name, "is_dir": True}
            if entry.is_folder
            else {"path": entry.name, "is_dir": False, "file_size": entry.size_bytes}
            for entry in entries
        ]
    }


def download(asked: Asked) -> HttpResponseBase:
    """Send a file, whole or in ranges."""
    return send(asked.request, *find_artifact(asked.said.text("path")))


def upload(asked: Asked) -> HttpResponse:
    """Take a file."""
    announced = int(asked.request.META.get("CONTENT_LENGTH") or 0)
    if announced > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(f"a file may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
    path = demand_place(path=asked.said.text("path"), size_bytes=announced, actor=asked.user)
    return take_body(asked.request, _Body(path, asked.user))


def delete(asked: Asked) -> dict[str, Any]:
    """Delete a file or a folder."""
    delete_artifacts(path=asked.said.text("path"), actor=asked.user)
    return {}


def send(request: HttpRequest, name: str, blob: Blob) -> HttpResponseBase:
    """Send a blob under a name; MLflow's clients follow no redirect."""
    shown = StoredFile(blob=blob, name=name, content_type=media_type(blob.content_type, name))
    shown.created_at = blob.created_at
    return send_file(request, shown, may_redirect=False)


class _Body:
    """A `Sink` (`common/bodies.py`) that becomes a file of the tree once all of it is there."""

    def __init__(self, path: str, user: User) -> None:
        self._path, self._user = path, user
        self._incoming = Receiving(max_bytes=settings.MAX_UPLOAD_BYTES)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._incoming.write(data)

    def end(self, is_whole: bool) -> HttpResponse:
        """Put the file into the tree."""
        if not is_whole:
            raise Invalid("The body ended early: nothing was kept.", code="malformed")
        blob = settle(self._incoming.whole())
        put_artifact(path=self._path, blob=blob, actor=self._user)
        self._incoming.close()
        return answer({})

    def close(self) -> None:
        """Drop what did not come to its end."""
        self._incoming.close()


folder_view = endpoint(GET=Call(VIEW, listing))
file_view = endpoint(
    GET=Call(VIEW, download), PUT=Call(ADD, upload, is_file=True), DELETE=Call(ADD, delete, is_file=True)
)
