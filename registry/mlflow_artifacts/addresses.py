"""Addresses that stand for a credential for some hours: of the bytes of a file, and of a part that is to come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from accounts.throttling import count_anonymous
from common.bodies import take_body
from common.errors import Conflict, NotAllowed, NotFound
from files.models import Blob, Upload
from files.services.in_parts import PartSink
from registry.mlflow.door import READS
from registry.mlflow_artifacts.tree import send

LIFE = timedelta(hours=6)  # a large file over a slow line
_SALT = "registry.mlflow_artifacts."


def address_of_file(request: HttpRequest, name: str, blob: Blob) -> str:
    """Give the address of some bytes, whatever becomes of the path that they have now."""
    signed = signing.dumps([blob.pk, name], salt=f"{_SALT}file", compress=True)
    return request.build_absolute_uri(reverse("mlflow-artifacts-signed-file", args=[signed]))


def address_of_part(request: HttpRequest, upload: Upload, number: int) -> str:
    """Give the address that a part is PUT to."""
    signed = signing.dumps([upload.pk.hex, number], salt=f"{_SALT}part", compress=True)
    return request.build_absolute_uri(reverse("mlflow-artifacts-signed-part", args=[signed]))


@csrf_exempt
def file_view(request: HttpRequest, signed: str) -> HttpResponseBase:
    """Send the bytes of a signed address."""
    if request.method not in READS:
        raise _wrong_method("GET")
    key, name = _read(signed, "file")
    blob = Blob.objects.filter(pk=key).first()
    if blob is None:
        raise NotFound("The file of this address is gone.")
    return send(request, name, blob)


@csrf_exempt
def part_view(request: HttpRequest, signed: str) -> HttpResponse:
    """Take the part of a signed address."""
    if request.method != "PUT":
        raise _wrong_method("PUT")
    key, number = _read(signed, "part")
    upload = Upload.objects.filter(pk=UUID(hex=key), way=Upload.Way.PARTS).first()
    if upload is None:
        raise NotFound("The upload of this address was completed or aborted.")
    return take_body(request, PartSink(upload, number))


def _read(signed: str, kind: str) -> Any:
    """Give what an address says. Raises NotAllowed for one that is not ours, or has expired."""
    try:
        return signing.loads(signed, salt=f"{_SALT}{kind}", max_age=LIFE)
    except signing.BadSignature:
        count_anonymous()
        raise NotAllowed("This address is not one of ours, or has expired.", code="bad_signature") from None


def _wrong_method(allowed: str) -> Conflict:
    error = Conflict(f"only {allowed} is served here", code="method_not_allowed", headers={"Allow": allowed})
    error.status = 405
    return error
