"""Who stands in the chain: references that tell nothing by themselves, and beside them the names, erasable."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from audit.models import AuditPerson

PERSON, ADDRESS, MAIL = "person:", "address:", "mail:"
REFERENCE = re.compile(r"\b(?:person|address|mail):[0-9a-f]{40}\b")
NOBODY = f"{PERSON}nobody"
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")


def person(user: AbstractBaseUser) -> str:
    """Give the reference under which a person stands in the chain, and keep the name beside the chain, erasable."""
    return _person(user).reference


def _person(user: AbstractBaseUser) -> AuditPerson:
    reference, name = reference_of(f"user:{user.pk}"), user.get_username()[:255]
    known = _known(reference, name)
    if known.label != name and known.erased_at is None:
        AuditPerson.objects.filter(reference=reference, erased_at=None).update(label=name)
    return known


def reference_of(identity: str) -> str:
    """Give the salted hash of what names somebody."""
    return PERSON + _hash("", identity)


def address_of(address: str, owner: str) -> str:
    """Give the reference of an address that somebody came from; it is forgotten with its owner."""
    return _owned(ADDRESS, address, owner)


def hidden(value: Any, owner: str) -> Any:
    """Give a value with each person and each e-mail address in it replaced by a reference."""
    if isinstance(value, str):
        return _MAIL.sub(lambda found: _owned(MAIL, found[0], owner), value) if "@" in value else value
    if isinstance(value, AbstractBaseUser):
        return person(value)
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(hidden(inner, owner) for inner in value)
    if isinstance(value, Mapping):
        return {key: hidden(inner, owner) for key, inner in value.items()}
    return value


def names_of(references: Iterable[str]) -> dict[str, str]:
    """Give the clear names of references, words for those that were erased; those never known are left out."""
    wanted = {reference for reference in references if REFERENCE.fullmatch(reference)}
    known = AuditPerson.objects.filter(reference__in=wanted) if wanted else ()
    return {one.reference: one.label if one.erased_at is None else _erased(one.reference) for one in known}


def erase(reference: str) -> AuditPerson | None:
    """Forget what a reference stands for, with all addresses that belong to it; `None` if it is not known."""
    found = AuditPerson.objects.select_for_update().filter(reference=reference).first()
    if found is None:
        return None
    same = AuditPerson.objects.filter(Q(reference=reference) | Q(owner=reference))
    same.filter(erased_at=None).update(label="", secret="", erased_at=timezone.now())
    found.refresh_from_db()
    return found


def _owned(prefix: str, text: str, owner: str) -> str:
    """Give the reference of an address, hashed with a secret of its owner, so that it cannot be found by trying.

    There are few enough addresses to try them all against the salt alone.
    """
    if not text:
        return ""
    keeper = _known(owner or NOBODY, "")
    if keeper.erased_at is not None:
        return prefix + secrets.token_hex(20)  # nothing more is learnt of a person who was erased
    if not keeper.secret:  # from before there were secrets
        AuditPerson.objects.filter(reference=keeper.reference, secret="").update(secret=secrets.token_hex(16))
        keeper.refresh_from_db()
    reference = prefix + _hash(keeper.secret, text)
    _known(reference, text, keeper.reference)
    return reference


def _known(reference: str, label: str, owner: str = "") -> AuditPerson:
    known = AuditPerson.objects.filter(reference=reference).first()
    if known is None:
        secret = "" if owner else secrets.token_hex(16)
        fresh = AuditPerson(reference=reference, label=label[:255], owner=owner, secret=secret)
        AuditPerson.objects.bulk_create([fresh], ignore_conflicts=True)
        known = AuditPerson.objects.get(reference=reference)
    return known


def _erased(reference: str) -> str:
    return gettext("erased person") if reference.startswith(PERSON) else gettext("erased address")


def _hash(secret: str, text: str) -> str:
    key = settings.AUDIT_SALT.encode() + secret.encode()
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()[:40]
