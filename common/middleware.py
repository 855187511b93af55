"""What every Django request passes through."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from common.api.errors import speaks_json, told_at
from common.context import Origin, origin
from common.errors import Invalid, NotFound
from common.ids import uuid7
from common.logs import request_id
from common.names import composed

_GOOD_ID = re.compile(r"(?!flm_|eyJ)[A-Za-z0-9._-]{8,64}")  # no key or token: it is written to logs


class RequestIdMiddleware:
    """Gives each request an id (the caller's `X-Request-ID` if it is a good one) and tells it in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        current = given if _GOOD_ID.fullmatch(given) else str(uuid7())
        request.request_id = current  # type: ignore[attr-defined]
        id_token = request_id.set(current)
        origin_token = origin.set(Origin(current, request.META.get("REMOTE_ADDR") or ""))
        try:
            response = self.get_response(request)
        finally:
            origin.reset(origin_token)
            request_id.reset(id_token)
        response["X-Request-ID"] = current
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an API client in JSON also when the error came from outside a DRF view, such as its renderer."""
        return told_at(request.path_info, error) if speaks_json(request) else None


class ComposedPathMiddleware:
    """Reads the names in an address in NFC, as they are kept: file systems and some clients take Korean apart.

    NUL is refused: some databases keep it, some raise at it, and no name or search of ours holds it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            error = NotFound(gettext("There is no such thing.")) if "\0" in request.path_info else _nul()
            return told_at(request.path_info, error)
        request.path_info = composed(request.path_info)
        return self.get_response(request)


def _nul() -> Invalid:
    return Invalid(gettext("The request is malformed."), code="malformed")
