"""OAuth 2 for applications, and what other services read to believe our tokens.

Source: RFC 6749 sections 2.3.1, 3.2, 4.4 and 5; RFC 7517; RFC 8414.
"""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from accounts import services
from accounts.models import SigningKey
from accounts.scopes import SCOPES
from accounts.throttling import count_anonymous
from accounts.tokens import jwk_of
from common.errors import FluemanError

logger = logging.getLogger(__name__)

_GRANT = "client_credentials"
_MAX_BODY = 16 * 1024
_MAX_FIELDS = 20


class OAuthError(Exception):
    """An error as section 5.2 has it."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.description, self.status = code, description, status


@csrf_exempt
def token(request: HttpRequest) -> JsonResponse:
    """Exchange client credentials for an access token; descriptions of errors are ASCII (section 5.2)."""
    with override("en"):
        return _exchanged(request)


def _exchanged(request: HttpRequest) -> JsonResponse:
    try:
        count_anonymous()
        fields = _fields(request)
        client_id, secret = _client(request, fields)
        if (grant_type := fields.get("grant_type")) != _GRANT:
            code = "unsupported_grant_type" if grant_type else "invalid_request"
            raise OAuthError(code, f"grant_type must be {_GRANT}")
        scopes = fields.get("scope", "").split()
        grant = services.grant_application(client_id=client_id, client_secret=secret, scopes=scopes)
    except OAuthError as error:
        return _refusal(request, error.code, error.description, error.status)
    except FluemanError as error:
        code = error.code if error.status in (400, 401) else "temporarily_unavailable"
        refusal = _refusal(request, code, error.message, error.status)
        pause = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        for name, value in {**pause, **error.headers}.items():
            refusal[name] = value
        return refusal
    except (DatabaseError, InterfaceError):
        logger.warning("no token could be given: the database does not answer", exc_info=True)
        return _refusal(request, "temporarily_unavailable", "the database does not answer", 503)
    answer = {
        "access_token": grant.access,
        "token_type": "Bearer",
        "expires_in": grant.expires_in_s,
        "scope": " ".join(grant.scopes),
    }
    return _uncached(JsonResponse(answer))


@require_GET
def jwks(_request: HttpRequest) -> JsonResponse:
    """Give the public keys whose signatures are good, the one that signs next among them."""
    keys = [jwk_of(key.kid, key.public_key) for key in SigningKey.objects.verifying()]
    return JsonResponse({"keys": keys}, headers={"Cache-Control": "public, max-age=300"})


@require_GET
def metadata(_request: HttpRequest) -> JsonResponse:
    """Give what a client needs to know to get a token."""
    url = settings.PUBLIC_URL
    answer = {
        "issuer": url,
        "token_endpoint": f"{url}/oauth/token",
        "jwks_uri": f"{url}/.well-known/jwks.json",
        "grant_types_supported": [_GRANT],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": list(SCOPES),
        "service_documentation": f"{url}/docs",
    }
    return JsonResponse(answer, headers={"Cache-Control": "public, max-age=300"})


def _fields(request: HttpRequest) -> dict[str, str]:
    """Give the fields of the body. Raises OAuthError for one that is there twice, or in the address."""
    if request.method != "POST":
        raise OAuthError("invalid_request", "this address takes POST", status=405)
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    if request.GET:
        raise OAuthError("invalid_request", "nothing may stand in the address: it would be logged on the way")
    if len(request.body) > _MAX_BODY:
        raise OAuthError("invalid_request", "the body is too large", status=413)
    try:
        text = request.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # too many fields, or bytes that are no UTF-8
        raise OAuthError("invalid_request", "the body is no form") from None
    if len({name for name, _value in pairs}) != len(pairs):
        raise OAuthError("invalid_request", "a parameter may be given once")
    return dict(pairs)


def _client(request: HttpRequest, fields: dict[str, str]) -> tuple[str, str]:
    """Give id and secret, which come by Basic or in the body, and not by both."""
    header = request.headers.get("Authorization", "")
    if not header:
        if not (fields.get("client_id") and fields.get("client_secret")):
            raise OAuthError("invalid_client", "client_id and client_secret are needed", status=401)
        return fields["client_id"], fields["client_secret"]
    if "client_secret" in fields:
        raise OAuthError("invalid_request", "credentials may come by one way only")
    scheme, _, rest = header.partition(" ")
    try:
        name, colon, password = b64decode(rest.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        name = colon = password = ""
    client_id, secret = unquote_plus(name), unquote_plus(password)
    if scheme.lower() != "basic" or not colon or fields.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_client", "client_id and client_secret are needed", status=401)
    return client_id, secret


def _refusal(request: HttpRequest, code: str, description: str, status: int) -> JsonResponse:
    told = description.replace('"', "'").replace("\\", "/")
    response = JsonResponse({"error": code, "error_description": told}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = 'Basic realm="flueman"'
    if status == 503:
        response["Retry-After"] = "1"
    if status == 405:
        response["Allow"] = "POST"
    return _uncached(response)


def _uncached(response: Any) -> Any:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response
