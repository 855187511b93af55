"""Signed statements about the chain: where it stood, which key speaks next, which events left under seal.

Each holds the hash of the one before, so that they are a chain too. Source: Ed25519 (RFC 8032).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORM = "flueman.audit.statement/1"
START = "0" * 64
CHECKPOINT, KEY, SEAL = "checkpoint", "key", "seal"


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed: the chain ended with this hash at this number, `events` more than the statement before."""

    number: int
    kind: str
    sequence: int
    head_hash: str
    events: int
    at: str
    key_id: str
    details: Mapping[str, Any]
    previous: str
    signature: str = ""

    @property
    def body(self) -> bytes:
        """The bytes that are signed: JSON without spaces, keys sorted."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "signature"}
        return orjson.dumps({"form": FORM, **fields}, option=orjson.OPT_SORT_KEYS)

    @property
    def hash(self) -> str:
        """What the next statement holds of this one."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def line(self) -> bytes:
        """The statement as one line of JSON, with its signature."""
        return b'{"signature":"%s","statement":%s}' % (self.signature.encode(), self.body)

    def is_signed_by(self, public_key: str) -> bool:
        """Tell whether the signature is that of a key, given as 64 hexadecimal digits."""
        return is_signed(self.body, self.signature, public_key)


def read_line(line: bytes) -> Statement:
    """Give the statement of a line. Raises ValueError if it is none."""
    try:
        kept = orjson.loads(line)
        fields = dict(kept["statement"])
        if fields.pop("form") != FORM:
            raise ValueError("another form")
        return Statement(**fields, signature=kept["signature"])
    except (KeyError, TypeError) as error:
        raise ValueError("not a statement") from error


def is_signed(body: bytes, signature: str, public_key: str) -> bool:
    """Tell whether bytes were signed by a key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), body)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_of(key: Ed25519PrivateKey) -> str:
    """Give the public half of a key as 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def id_of(public_key: str) -> str:
    """Give the fingerprint of a public key: the SHA-256 of its 32 bytes."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()
