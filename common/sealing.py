"""Secrets of other systems (vendors' keys, webhook secrets) as the database keeps them: sealed, and never shown again.

A sealed text is `sealed1.<key id>.<nonce and AES-256-GCM ciphertext>`. SEALING_KEYS holds the keys, newest first: the
first seals, all unseal, so a key leaves only after `manage.py rotate_sealing_key` has sealed everything anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from django.forms import Field, PasswordInput
from django.utils.translation import gettext_lazy as _

from common.errors import Unavailable

PREFIX = "sealed1"
NONCE_BYTES = 12  # Source: NIST SP 800-38D, section 8.2
BATCH = 500


def seal(text: str) -> str:
    """Give the text sealed with the newest key; the same text looks different each time."""
    keys = _keys()
    if not keys:
        raise ImproperlyConfigured("SEALING_KEYS is empty: nothing can be sealed")
    key_id = next(iter(keys))
    nonce = os.urandom(NONCE_BYTES)
    kept = nonce + keys[key_id].encrypt(nonce, text.encode(), _bound(key_id))
    return f"{PREFIX}.{key_id}.{base64.urlsafe_b64encode(kept).decode()}"


def unseal(sealed: str) -> str:
    """Give the text back. Raises Unavailable if its key is not here or somebody has changed it."""
    key_id, body = _parts(sealed)
    key = _keys().get(key_id)
    if key is None:
        raise Unavailable(f"sealed with the key {key_id}, which SEALING_KEYS does not hold", code="sealing_key_missing")
    try:
        kept = base64.b64decode(body, altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(kept).decode() != body:
            raise ValueError("bits that stand for nothing")
        return key.decrypt(kept[:NONCE_BYTES], kept[NONCE_BYTES:], _bound(key_id)).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise Unavailable("a sealed text has been changed or damaged", code="sealing_damaged") from None


def is_sealed(text: str) -> bool:
    """Say whether a text has the form of a sealed one."""
    return text.startswith(f"{PREFIX}.") and text.count(".") == 2


def is_sealed_by_newest(sealed: str) -> bool:
    """Say whether a sealed text needs no rotation."""
    return _parts(sealed)[0] == next(iter(_keys()), None)


class SealedField(models.TextField):  # type: ignore[type-arg]
    """A column of sealed text. It refuses clear text, and no form ever shows it; services call `seal` and `unseal`."""

    def get_prep_value(self, value: Any) -> Any:
        """Give what is written. Raises ValidationError for clear text, which must never reach the database."""
        if value and not is_sealed(value):
            raise ValidationError(_("Only sealed text may be kept here."), code="not_sealed")
        return super().get_prep_value(value)

    def formfield(self, **kwargs: Any) -> Field | None:  # type: ignore[override]
        """Give a field that takes a new secret and shows nothing of the old one."""
        return super().formfield(**{"widget": PasswordInput(render_value=False), "required": False, **kwargs})


def sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Give all columns of sealed text."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


def reseal_all(*, is_dry_run: bool = False) -> dict[str, int]:
    """Seal every column anew with the newest key; give how many rows of each. Safe to run twice and while others write.

    Raises Unavailable, with what came before kept, if a text can not be unsealed.
    """
    return {
        f"{model._meta.label_lower}.{column}": sum(_reseal(model, column, is_dry_run))
        for model, column in sealed_columns()
    }


def _reseal(model: type[models.Model], column: str, is_dry_run: bool) -> Iterator[int]:
    """Rewrite row by row where the old text still stands: a service that wrote meanwhile used the newest key."""
    rows = model._default_manager.exclude(**{column: ""}).exclude(**{column: None}).values_list("pk", column)
    for pk, sealed in rows.iterator(chunk_size=BATCH):
        if is_sealed_by_newest(sealed):
            continue
        fresh = seal(unseal(sealed))
        same = model._default_manager.filter(**{"pk": pk, column: sealed})
        yield 1 if is_dry_run else same.update(**{column: fresh})


def _parts(sealed: str) -> tuple[str, str]:
    if not is_sealed(sealed):
        raise Unavailable("this is no sealed text", code="sealing_damaged")
    return tuple(sealed.split(".")[1:])  # type: ignore[return-value]


def _bound(key_id: str) -> bytes:
    return f"{PREFIX}.{key_id}".encode()


def _keys() -> dict[str, AESGCM]:
    return _derive(tuple(settings.SEALING_KEYS))


@lru_cache(maxsize=8)
def _derive(secrets: tuple[str, ...]) -> dict[str, AESGCM]:
    """Give the cipher of each key under its id. Source: RFC 5869."""
    found = {}
    for secret in secrets:
        key = HKDF(hashes.SHA256(), 32, salt=None, info=b"flueman sealing").derive(secret.encode())
        found[hashlib.sha256(b"flueman sealing id" + key).hexdigest()[:12]] = AESGCM(key)
    return found
