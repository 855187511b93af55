"""Signed addresses of a version's files, for servers elsewhere that load it: who holds one may read these, no more.

An address lasts a year, so that a cluster may start another replica at any time; archiving the version ends it.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing
from django.urls import reverse

from accounts.models import User
from audit.services import record
from common.errors import NotFound
from common.transactions import transactional
from registry.models import ModelFile, ModelVersion

LIFE = timedelta(days=365)
_SALT = "inference.elsewhere.artefacts"


@transactional
def issue_address(*, version: ModelVersion, actor: User | str, reason: str) -> str:
    """Give the path below which the version's files lie. It is a secret: the audit trail notes who asked for it."""
    record(action="inference.files_signed", actor=actor, target=version, reason=reason)
    return reverse("artefacts", args=[signing.dumps(version.pk.hex, salt=_SALT)])


def find_version(signed: str) -> ModelVersion:
    """Give the version of an address, with its files. Raises NotFound for all that is none, or has ended."""
    try:
        version_id = UUID(signing.loads(signed, salt=_SALT, max_age=LIFE))
    except (signing.BadSignature, ValueError):
        raise _nothing() from None
    found = ModelVersion.objects.ready().select_related("model").prefetch_related("files__blob")
    version = found.filter(pk=version_id).first()
    if version is None:
        raise _nothing()
    return version


def find_file(signed: str, path: str) -> ModelFile:
    """Give a file of the version of an address. Raises NotFound."""
    found = next((file for file in find_version(signed).files.all() if file.path == path), None)
    if found is None:
        raise _nothing()
    return found


def _nothing() -> NotFound:
    return NotFound("there is no such address", code="unknown_address")
