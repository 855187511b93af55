"""JWTs signed with ES256: what is in them, and what of it is believed.

Source: RFC 7519, RFC 8725 (one algorithm, keys of our own table only, every claim required).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings

from common.errors import NotAuthenticated

ALGORITHM = "ES256"
AUDIENCE = "flueman"
# Web machines' clocks may differ a little: a token must not be refused as issued in the future.
CLOCK_SKEW = timedelta(seconds=5)
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti", "token_type"]
_HEADERS = {"alg", "kid", "typ"}
_NOT_GOOD = "the token is not good, or no longer"
_KNOWN_TOKENS = 10_000
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


class Signer(NamedTuple):
    """A key that signs."""

    kid: str
    private_pem: str


class Verifier(NamedTuple):
    """A key whose signatures are believed until a moment, in seconds since 1970."""

    public_pem: str
    until: float


class Claims(NamedTuple):
    """What a verified token says: of a session (`session_id`), or of an application (`client_id` and its scopes).

    `secret_id` is the fingerprint of the secret that the application sent, empty in tokens of versions before it.
    """

    user_id: int
    session_id: str
    client_id: str
    scopes: tuple[str, ...]
    token_id: str
    expires_at: float
    secret_id: str = ""


FindVerifier = Callable[[str], Verifier | None]


def make_private_pem() -> str:
    """Give a new P-256 private key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def keys_in(text: str) -> dict[str, str]:
    """Give the private keys in a text, PEM, by their ids. Raises ValueError for anything but P-256 keys."""
    return {key_id_of(public_pem_of(pem)): pem for pem in _PEM.findall(text)}


def public_pem_of(private_pem: str) -> str:
    """Give the public half of a private key, PEM. Raises ValueError for anything but a P-256 key."""
    key = load_pem_private_key(private_pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a signing key must be a P-256 private key")
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key_id_of(public_pem: str) -> str:
    """Give the thumbprint by which tokens name a key."""
    der = load_pem_public_key(public_pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()[:24]


def jwk_of(kid: str, public_pem: str) -> dict[str, Any]:
    """Give a public key as others read it. Source: RFC 7517, RFC 7518 section 6.2."""
    key: Any = load_pem_public_key(public_pem.encode())
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": ALGORITHM}


def sign(signer: Signer, kind: str, *, lifetime: timedelta, user_id: int, **claims: Any) -> tuple[str, Claims]:
    """Give a new token, `access` or `refresh`, and what it says."""
    now = int(time.time())
    payload = {
        "token_type": kind,
        "iss": settings.ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "jti": uuid4().hex,
        **claims,
    }
    text = jwt.encode(payload, _private(signer.private_pem), algorithm=ALGORITHM, headers={"kid": signer.kid})
    return text, _claims_of(payload)


def read(text: str, kind: str, find: FindVerifier) -> Claims:
    """Give what a token of ours says; mind `expires_at`, which the clock may have passed a moment ago.

    Raises NotAuthenticated unless header, key, signature, issuer, audience, kind and times are good.
    """
    verifier = find(_kid_of(text))
    if verifier is None or verifier.until <= time.time():
        raise NotAuthenticated("the key that signed the token is not known, or no longer", code="unknown_signing_key")
    return _verified(text, kind, verifier.public_pem)


@lru_cache(maxsize=_KNOWN_TOKENS)
def _kid_of(text: str) -> str:
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotAuthenticated(_NOT_GOOD) from None
    # A key, or where to find one, in the header of a forged token is the forger's; nothing else belongs there either.
    if not header.keys() <= _HEADERS or header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str):
        raise NotAuthenticated(_NOT_GOOD)
    return str(header["kid"])


@lru_cache(maxsize=_KNOWN_TOKENS)
def _verified(text: str, kind: str, public_pem: str) -> Claims:
    """Give the claims, kept so that a signature is checked once."""
    try:
        payload = jwt.decode(
            text,
            _public(public_pem),
            algorithms=[ALGORITHM],
            issuer=settings.ISSUER,
            audience=AUDIENCE,
            leeway=CLOCK_SKEW,
            options={"require": _REQUIRED},
        )
        claims = _claims_of(payload)
        if payload["token_type"] != kind or (kind == "refresh" and not claims.session_id):
            raise ValueError("a token of another kind")
        return claims
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError):
        raise NotAuthenticated(_NOT_GOOD) from None


def _claims_of(payload: dict[str, Any]) -> Claims:
    texts = session_id, client_id, secret_id = [payload.get(name, "") for name in ("sid", "client_id", "secret_id")]
    if not all(isinstance(text, str) for text in texts) or bool(session_id) == bool(client_id):
        raise ValueError("a token is of a session or of an application")
    scopes = tuple(str(payload.get("scope", "")).split())
    user_id, token_id, expires_at = int(payload["sub"]), str(payload["jti"]), float(payload["exp"])
    return Claims(user_id, session_id, client_id, scopes, token_id, expires_at, secret_id)


@lru_cache(maxsize=32)
def _private(pem: str) -> Any:
    return load_pem_private_key(pem.encode(), password=None)


@lru_cache(maxsize=32)
def _public(pem: str) -> Any:
    return load_pem_public_key(pem.encode())
