"""Any error, told in the one shape of the REST API: code, message, fields, request id."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext, override
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from common.context import origin
from common.errors import (
    Conflict,
    FluemanError,
    Invalid,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooLarge,
    TooMany,
    Unavailable,
)
from common.wording import language_asked, refused_in_words

API_PREFIXES = ("/api/v1/", "/oauth/", "/.well-known/")
Shape = Callable[[FluemanError], HttpResponse]
_shapes: dict[str, Shape] = {}
log = logging.getLogger(__name__)


def register_shape(prefix: str, shape: Shape) -> None:
    """Have errors at the addresses under a prefix told as a foreign protocol tells them, in English."""
    _shapes[prefix] = shape


def told_at(path: str, error: Exception, accept: str | None = None) -> HttpResponse:
    """Give the answer to an error in the shape of the protocol that an address belongs to.

    `accept` is the reader's Accept-Language, `None` where a middleware has read it.
    """
    shape = next((shape for prefix, shape in _shapes.items() if path.startswith(prefix)), None)
    if shape is None and accept is None:
        return json_error(error)
    with override("en" if shape else language_asked(accept or "")):
        return shape(translate(error)) if shape else json_error(error)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Give the answer to any error of a view. Nothing escapes: what nobody foresaw is a logged, typed 503."""
    known = translate(error)
    return Response(error_body(known), status=known.status, headers=error_headers(known))


def json_error(error: Exception) -> HttpResponse:
    """Give the same answer outside DRF."""
    known = translate(error)
    body = dumps(error_body(known))
    return HttpResponse(body, status=known.status, content_type="application/json", headers=error_headers(known))


def error_body(error: FluemanError) -> dict[str, Any]:
    """Give the one shape of an error, in the language of the reader."""
    message, fields = refused_in_words(error)
    return {
        "error": {
            "code": error.code,
            "message": message,
            "fields": fields,
            "request_id": origin.get().request_id,
        }
    }


def error_headers(error: FluemanError) -> dict[str, str]:
    """Give the headers that tell a client how to go on."""
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="flueman"'
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return headers


def translate(error: Exception) -> FluemanError:
    """Give the error kind that a caller may be told of."""
    if isinstance(error, FluemanError):
        return error
    if isinstance(error, exceptions.APIException):
        return _from_drf(error)
    if isinstance(error, ValidationError):
        return _invalid(error.message_dict if hasattr(error, "error_dict") else {"": error.messages})
    for kinds, made in _FROM_DJANGO:
        if isinstance(error, kinds):
            told = made()
            if isinstance(told, Unavailable):
                log.error("the database does not answer: %s", error)
            return told
    log.error("unexpected error", exc_info=error)
    return _unexpected()


def _unexpected() -> FluemanError:
    return Unavailable(gettext("Something unexpected went wrong. It has been logged."), code="unexpected")


_FROM_DJANGO: list[tuple[tuple[type[Exception], ...], Callable[[], FluemanError]]] = [
    ((Http404,), lambda: NotFound(gettext("There is no such thing."))),
    ((PermissionDenied,), lambda: NotAllowed(gettext("You may not do this."))),
    ((RequestDataTooBig,), lambda: TooLarge(gettext("The body is too large."))),
    ((UnreadablePostError,), lambda: Invalid(gettext("The body ended early."), code="malformed")),
    ((SuspiciousOperation,), lambda: Invalid(gettext("The request is malformed."), code="malformed")),
    ((OverflowError, DataError), lambda: Invalid(gettext("A number or a time is out of range."), code="out_of_range")),
    ((ProtectedError, IntegrityError), lambda: Conflict(gettext("Something else depends on this, or is like it."))),
    ((DatabaseError, InterfaceError), lambda: Unavailable(gettext("The database does not answer."), retry_after_s=1)),
]


def _from_drf(error: exceptions.APIException) -> FluemanError:
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error.detail)
    if isinstance(error, exceptions.Throttled):
        return TooMany(str(error.detail), retry_after_s=int(error.wait or 1))
    kinds: dict[type[Exception], type[FluemanError]] = {
        exceptions.NotAuthenticated: NotAuthenticated,
        exceptions.AuthenticationFailed: NotAuthenticated,
        exceptions.PermissionDenied: NotAllowed,
        exceptions.NotFound: NotFound,
    }
    if kind := kinds.get(type(error)):
        return kind(str(error.detail))
    known = Invalid(str(error.detail), code=error.default_code)
    known.status = error.status_code
    return known


def _invalid(detail: object) -> Invalid:
    fields = dict(_flatten("", detail))
    general = fields.pop("", "")
    message = general or gettext("Some fields are wrong.")
    return Invalid(message, fields=fields)


def _flatten(path: str, detail: object) -> list[tuple[str, str]]:
    """Give (dotted path, text) of nested errors."""
    if isinstance(detail, Mapping):
        return [found for key, inner in detail.items() for found in _flatten(_step(path, key), inner)]
    if isinstance(detail, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in detail):
        return [found for index, inner in enumerate(detail) for found in _flatten(f"{path}[{index}]", inner)]
    texts = detail if isinstance(detail, list | tuple) else [detail]
    return [(path, " ".join(map(str, texts)))] if texts else []


def _step(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return path if key in ("non_field_errors", "__all__") else ".".join(filter(None, (path, str(key))))


def is_api(request: HttpRequest) -> bool:
    """Tell whether the path belongs to an API, whose clients must never see HTML."""
    return request.path_info.startswith((*API_PREFIXES, *_shapes))


def speaks_json(request: HttpRequest) -> bool:
    """Tell whether errors are told in JSON: by APIs, and at the addresses of files, to which a cookie opens too."""
    return is_api(request) or request.path_info.startswith(("/files/", "/uploadfile")) or request.path_info == "/files"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses before any view (handler400)."""
    if speaks_json(request):
        return told_at(request.path_info, exception)
    return defaults.bad_request(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nothing serves (handler404)."""
    if speaks_json(request):
        return told_at(request.path_info, exception)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error outside any view (handler500), which Django has logged; without the database it is a 503."""
    error = sys.exception()
    is_without_database = isinstance(error, OperationalError | InterfaceError)
    if speaks_json(request):
        return told_at(request.path_info, error if is_without_database else _unexpected())  # type: ignore[arg-type]
    page = defaults.server_error(request)
    if is_without_database:
        page.status_code, page["Retry-After"] = 503, "1"
    return page


@csrf_exempt  # there is no form to protect, and the refusal would be a page
def unknown_route(request: HttpRequest, **_: object) -> HttpResponse:
    """Answer an address under /api/v1/ that nothing serves."""
    return json_error(NotFound(gettext("There is no such address."), code="unknown_route"))


def dumps(data: object) -> bytes:
    """Give JSON of plain values, lazy translations and what DRF's serializers give."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | set | frozenset):
        return list(value)
    if isinstance(value, str | Promise):
        return force_str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
