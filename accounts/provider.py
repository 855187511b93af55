"""The OpenID Connect provider of people, behind Authlib, which nothing else imports; it takes long to import.

Source: OpenID Connect Core 1.0, sections 3.1 and 3.1.3.7; Discovery 1.0; RP-Initiated Logout 1.0; RFC 7636; RFC 9207.
Nothing of the provider is kept between two log-ins, so keys that it rotates or withdraws need no care of ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.http import HttpRequest
from joserfc.errors import JoseError
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from accounts.openid import is_safe
from common.errors import NotAuthenticated, Unavailable

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
CLOCK_SKEW_S = 60
_TIMEOUT_S = (3, 5)  # to connect, and between two bytes
_WHOLE_S = 10
_MOST_BYTES = 1024 * 1024
_MOST_TEXT = 255


def begin(request: HttpRequest, redirect_uri: str) -> str:
    """Give where the browser goes to log in; state, nonce and PKCE verifier wait in its session. Raises Unavailable."""
    with _told():
        app = _app()
        made = app.create_authorization_url(redirect_uri)
        app.save_authorize_data(request, redirect_uri=redirect_uri, **made)
        return str(made["url"])


def finish(request: HttpRequest) -> dict[str, Any]:
    """Give the claims of the ID token of who has come back. Raises NotAuthenticated or Unavailable."""
    with _told():
        if request.GET.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
            raise NotAuthenticated("the answer is of another provider", code="openid_refused")
        exact = {
            "iss": {"essential": True, "value": settings.OIDC_ISSUER},
            "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
            "nonce": {"essential": True},
        }
        claims = _app().authorize_access_token(request, claims_options=exact, leeway=CLOCK_SKEW_S).get("userinfo")
    subject = claims.get("sub") if claims else None
    if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_TEXT or not subject.isprintable():
        raise NotAuthenticated("the provider does not say who it is", code="openid_refused")
    return dict(claims)


def log_out_url(back: str) -> str:
    """Give where the browser goes to log out of the provider too; empty if there is no such address, or no answer."""
    try:
        with _told():
            end = str(_app().server_metadata.get("end_session_endpoint") or "")
    except (Unavailable, NotAuthenticated):
        return ""
    query = urlencode({"client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": back})
    return f"{end}{'&' if '?' in end else '?'}{query}" if is_safe(end) else ""


class _Http(OAuth2Session):  # type: ignore[misc]
    """Requests that follow nobody elsewhere, wait for nobody long, and hold no more than a little."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """Ask, and read the whole answer."""
        if not is_safe(url):
            raise Unavailable(f"the provider names an address without TLS: {url[:200]}", code="openid_unsafe")
        settled = {**kwargs, "allow_redirects": False, "stream": True, "timeout": _TIMEOUT_S}
        response: Response = super().request(method, url, *args, **settled)
        response._content = b"".join(_read(response))  # type: ignore[attr-defined]
        if response.is_redirect:
            raise Unavailable("the provider leads elsewhere", code="openid_unsafe")
        return response


class _App(DjangoOAuth2App):  # type: ignore[misc]
    client_cls = _Http


def _read(response: Response) -> Iterator[bytes]:
    deadline, size = time.monotonic() + _WHOLE_S, 0
    while part := response.raw.read1(65536, decode_content=True):
        size += len(part)
        if size > _MOST_BYTES or time.monotonic() > deadline:
            response.close()
            raise Unavailable("the provider's answer is too long, or too slow", code="openid_unavailable")
        yield part
    response.close()


def _app() -> Any:
    """Give the client with the provider's addresses, read anew; what it may sign with is ours to say."""
    url = f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"
    app = _App(
        DjangoIntegration("openid"),
        name="openid",
        client_id=settings.OIDC_CLIENT_ID,
        client_secret=settings.OIDC_CLIENT_SECRET or None,
        client_kwargs={"scope": settings.OIDC_SCOPES, "code_challenge_method": "S256"},
        server_metadata_url=url,
    )
    metadata = app.load_server_metadata()
    if metadata.get("issuer") != settings.OIDC_ISSUER:
        raise Unavailable("the provider says that it is another one", code="openid_unsafe")
    if not is_safe(str(metadata.get("authorization_endpoint"))):
        raise Unavailable("the provider names an address without TLS", code="openid_unsafe")
    metadata["id_token_signing_alg_values_supported"] = ALGORITHMS
    metadata.pop("jwks", None)
    methods = metadata.pop("token_endpoint_auth_methods_supported", None) or ["client_secret_basic"]
    way = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
    app.client_kwargs["token_endpoint_auth_method"] = way if settings.OIDC_CLIENT_SECRET else "none"
    return app


@contextmanager
def _told() -> Iterator[None]:
    """Tell in our own errors what went wrong between the provider and us."""
    try:
        yield
    except (RequestException, HTTPError) as error:
        raise Unavailable(f"the provider does not answer: {error}"[:300], code="openid_unavailable") from error
    except (OAuthError, JoseError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise NotAuthenticated(f"the provider's answer is not good: {error!r}"[:300], code="openid_refused") from error
