"""The key that signs statements: in the environment of the worker, or in a file of its own; web needs neither."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils.translation import gettext as _

from audit.statements import Statement, public_of
from common.durable import sync_folder
from common.errors import Invalid, NotReady


def signing_key() -> Ed25519PrivateKey:
    """Give the key of this process. Raises NotReady if it has none, Invalid for one that is no Ed25519 key."""
    if settings.AUDIT_SIGNING_KEY:
        return read_key(settings.AUDIT_SIGNING_KEY.encode())
    try:
        return read_key(settings.AUDIT_KEY_PATH.read_bytes())
    except FileNotFoundError:
        raise NotReady(_("This process has no key to sign the audit chain with."), code="no_signing_key") from None


def first_key() -> Ed25519PrivateKey:
    """Give the key that begins a chain; outside production it is made where there is none."""
    if not (settings.AUDIT_SIGNING_KEY or settings.AUDIT_KEY_PATH.exists() or settings.IS_PRODUCTION):
        keep_key(Ed25519PrivateKey.generate(), settings.AUDIT_KEY_PATH)
    return signing_key()


def draft_path() -> Path:
    """Give where a new key lies until the statement that names it is kept."""
    return settings.AUDIT_KEY_PATH.with_name("next.pem")


def finish_rotation(last: Statement) -> Ed25519PrivateKey | None:
    """Put the new key in its place if a rotation was cut short after its statements were kept; `None` if not."""
    if settings.AUDIT_SIGNING_KEY or not draft_path().exists():
        return None
    key = read_key(draft_path().read_bytes())
    if not last.is_signed_by(public_of(key)):
        return None
    draft_path().rename(settings.AUDIT_KEY_PATH)
    return key


def keep_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write a key durably to a file that only its owner reads, in place of another."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_folder(path.parent)


def read_key(pem: bytes) -> Ed25519PrivateKey:
    """Give the key of a PEM text. Raises Invalid."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise Invalid(_("The audit key cannot be read: it must be an Ed25519 key in PEM form.")) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(_("The audit key must be an Ed25519 key."))
    return key
