"""What clients ask of the server itself, without a credential."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from registry.mlflow.door import answer

# The release whose protocol is spoken.
MLFLOW = "3.17.2"
CAPABILITIES = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "multipart_uploads_enabled": True,
    "multipart_downloads_enabled": True,
    "artifacts_presigned_only": False,
}


@require_safe
def health(_request: HttpRequest) -> HttpResponse:
    """Say that the server answers."""
    return HttpResponse("OK", content_type="text/plain")


@require_safe
def version(_request: HttpRequest) -> HttpResponse:
    """Give the release whose protocol is spoken."""
    return HttpResponse(MLFLOW, content_type="text/plain")


@require_safe
def info(_request: HttpRequest) -> HttpResponse:
    """Tell what of the artifact proxy can be used."""
    return answer(CAPABILITIES)
