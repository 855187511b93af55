"""JWTs: simplejwt's token classes over a backend that signs with ES256 and knows keys by `kid`."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.tokens import Token

from common.errors import NotAuthenticated

ALGORITHM = "ES256"
ISSUER = AUDIENCE = "flueman"
# Web machines' clocks may differ a little: a token must not be refused as issued in the future.
CLOCK_SKEW = timedelta(seconds=5)
REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "token_type"]


class Claims(NamedTuple):
    """What an access token says of its bearer."""

    user_id: int
    session_id: str
    expires_at: float


class SigningBackend:
    """Signs and verifies with one P-256 key; `kid` is its thumbprint, so that a second key can join later."""

    def __init__(self, private_pem: str) -> None:
        key = load_pem_private_key(private_pem.encode(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        public = key.public_key()
        self._private = key
        self.kid = _thumbprint(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self._public = {self.kid: public}

    def encode(self, payload: dict[str, Any]) -> str:
        """Give the signed token."""
        claims = {**payload, "iss": ISSUER, "aud": AUDIENCE}
        return jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self.kid})

    def decode(self, token: str | bytes, verify: bool = True) -> dict[str, Any]:
        """Give the claims. Raises TokenBackendError unless key, signature, issuer, audience and times are good."""
        try:
            key = self._public[jwt.get_unverified_header(token)["kid"]]
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=CLOCK_SKEW,
                options={"require": REQUIRED, "verify_signature": verify},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise TokenBackendError(f"not a good token: {error}") from None

    def get_leeway(self) -> timedelta:
        """Give the tolerance for clocks that differ; simplejwt asks for it."""
        return CLOCK_SKEW


@cache
def backend() -> SigningBackend:
    """Give the backend of this process."""
    return SigningBackend(settings.JWT_PRIVATE_KEY)


class _SignedToken(Token):
    def get_token_backend(self) -> Any:
        """Give our backend in place of simplejwt's, which knows no `kid`."""
        return backend()


class Access(_SignedToken):
    """The short-lived token that calls carry."""

    token_type = "access"  # noqa: S105
    lifetime = settings.ACCESS_TOKEN_LIFETIME


class Refresh(_SignedToken):
    """The token that is exchanged, once, for a new pair."""

    token_type = "refresh"  # noqa: S105
    lifetime = settings.REFRESH_TOKEN_LIFETIME


def make_pair(*, user_id: int, session_id: str) -> tuple[Access, Refresh]:
    """Give a new pair of tokens of a session."""
    access, refresh = Access(), Refresh()
    for token in (access, refresh):
        token["sub"], token["sid"] = str(user_id), session_id
    return access, refresh


def read_refresh(text: str) -> Refresh:
    """Give a verified refresh token. Raises NotAuthenticated."""
    try:
        return Refresh(text)  # type: ignore[arg-type]
    except (TokenError, TokenBackendError):
        raise NotAuthenticated("the refresh token is not good, or no longer") from None


@lru_cache(maxsize=10_000)
def read_access(text: str) -> Claims:
    """Give the claims of a verified access token, kept so that a signature is checked once; mind `expires_at`.

    Raises NotAuthenticated.
    """
    try:
        token = Access(text)  # type: ignore[arg-type]
        return Claims(int(token["sub"]), str(token["sid"]), float(token["exp"]))
    except (TokenError, TokenBackendError, ValueError):
        raise NotAuthenticated("the token is not good, or no longer") from None


def _thumbprint(public_der: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(public_der).digest()[:12]).decode()
