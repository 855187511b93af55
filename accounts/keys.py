"""The text of an API key, `flm_<environment>_<id>_<secret><checksum>`, and the digest that is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 32, 6
_FORM = re.compile(rf"flm_[a-z]{{1,12}}_[0-9A-Za-z]{{{_ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")
MARK = "flm_"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `text` is shown once and kept nowhere."""

    prefix: str
    text: str


def make_key(environment: str) -> NewKey:
    """Give a new key with 190 random bits."""
    return renew_key(f"{MARK}{environment.lower()}_{_random(_ID_LENGTH)}")


def renew_key(prefix: str) -> NewKey:
    """Give a key of the same public part with a new secret."""
    body = f"{prefix}_{_random(_SECRET_LENGTH)}"
    return NewKey(prefix, body + _checksum(body))


def is_well_formed(text: str) -> bool:
    """Tell a key from a mistyped one by its checksum, without asking anybody."""
    return bool(_FORM.fullmatch(text)) and text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def prefix_of(text: str) -> str:
    """Give the public part of a key."""
    return text.rpartition("_")[0]


def digest(text: str, pepper: bytes) -> bytes:
    """Give what is kept of a key.

    Source: HMAC-SHA-256 (RFC 2104); a slow hash guards nothing here, as the secret is random and long.
    """
    return hmac.digest(pepper, text.encode(), hashlib.sha256)


def fingerprint(kept: bytes) -> str:
    """Give what a token says of the secret that it was given for, from what is kept of that secret."""
    return kept[:6].hex()


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
