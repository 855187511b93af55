"""Errors as MLflow's clients read them: a code of theirs and a message."""

from __future__ import annotations

import orjson
from django.http import HttpResponse

from common.api.errors import error_headers
from common.errors import FluemanError, NotFound

# Clients try 408, 429, 500, 502, 503 and 504 again for minutes: what does not pass by itself has another status.
BY_STATUS = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "RESOURCE_CONFLICT",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    507: "RESOURCE_EXHAUSTED",
}
HEADERS = {"Cache-Control": "no-store", "Content-Language": "en"}
BY_CODE = {
    "already_exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "malformed": (400, "BAD_REQUEST"),
    "too_deep": (400, "BAD_REQUEST"),
    "unknown_route": (404, "ENDPOINT_NOT_FOUND"),
    "unexpected": (500, "INTERNAL_ERROR"),
    "not_ready": (409, "INVALID_STATE"),
    "not_sealed": (409, "INVALID_STATE"),
}


def shape(error: FluemanError) -> HttpResponse:
    """Give the answer to an error."""
    status, code = BY_CODE.get(error.code, (error.status, BY_STATUS.get(error.status, "INTERNAL_ERROR")))
    body = orjson.dumps({"error_code": code, "message": _message(error)})
    headers = {**error_headers(error), **HEADERS}
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def model_not_found(name: str) -> NotFound:
    """Give the refusal of a call for a model that there is not."""
    return NotFound(f"Registered Model with name={name[:300]} not found")


def version_not_found(name: str, number: int | str) -> NotFound:
    """Give the refusal of a call for a version that there is not."""
    return NotFound(f"Model Version (name={name[:300]}, version={str(number)[:20]}) not found")


def _message(error: FluemanError) -> str:
    """Give the sentence, with what is wrong with which field where the sentence does not say it."""
    unsaid = [f"{name}: {text}" for name, text in error.fields.items() if name and text and text not in error.message]
    return f"{error.message} ({'; '.join(unsaid)})" if unsaid and error.status in (400, 422) else error.message
