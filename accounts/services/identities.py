"""People known by an OpenID Connect provider: by issuer and subject, never by an e-mail or a name they give there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import openid
from accounts.models import ExternalIdentity, User
from accounts.services.people import create_user, roles_of, set_roles
from audit.services import record
from common.errors import Conflict, NotAllowed, NotAuthenticated
from common.transactions import transactional

PROVIDER = "OpenID Connect"
_LONGEST_NAME = 100


def sign_in(*, claims: Mapping[str, Any]) -> User:
    """Give the person of a verified ID token, with the roles that it names; who is new and has one gets an account.

    Raises NotAuthenticated or NotAllowed.
    """
    roles = _roles(claims)
    identity = _find(claims["sub"])
    user = identity.user if identity else _welcome(claims, roles)
    if not user.is_active:
        raise NotAuthenticated(_("The account is not active."), code="openid_refused")
    if roles is not None and roles != roles_of(user):
        set_roles(user=user, roles=roles, actor=PROVIDER, reason=_("as the provider says"))
    ExternalIdentity.objects.filter(user=user, subject=claims["sub"]).update(last_used_at=timezone.now())
    return user


def link_identity(*, user: User, claims: Mapping[str, Any]) -> ExternalIdentity:
    """Let a person who is logged in come by the provider from now on. Raises Conflict if somebody else does already."""
    identity = _find(claims["sub"])
    if identity is None:
        return _link(user, claims["sub"])
    if identity.user_id != user.pk:
        raise Conflict(_("Somebody else logs in with this account of the provider."))
    return identity


@transactional
def unlink_identity(*, identity: ExternalIdentity, actor: User) -> None:
    """Stop a way in. Raises Conflict if the person has no password, as nothing would be left."""
    if not identity.user.has_usable_password():
        raise Conflict(_("Set a password first: there would be no way in left."))
    identity.delete()
    record(action="accounts.identity_unlinked", actor=actor, target=identity.user, before={"at": identity.issuer})


def _find(subject: str) -> ExternalIdentity | None:
    known = ExternalIdentity.objects.select_related("user")
    return known.filter(issuer=settings.OIDC_ISSUER, subject=subject).first()


def _link(user: User, subject: str) -> ExternalIdentity:
    try:
        with transaction.atomic():
            identity = ExternalIdentity.objects.create(user=user, issuer=settings.OIDC_ISSUER, subject=subject)
            record(action="accounts.identity_linked", actor=user, target=user, after={"at": settings.OIDC_ISSUER})
    except IntegrityError:
        raise Conflict(_("This account of the provider has just been linked.")) from None
    return identity


@transactional
def _welcome(claims: Mapping[str, Any], roles: list[str] | None) -> User:
    if roles is None:
        told = _("Your account is not linked. Log in with your password once and link it in your settings.")
        raise NotAllowed(told, code="openid_unknown")
    user = create_user(username=_free_name(claims), roles=roles, actor=PROVIDER)
    _link(user, claims["sub"])
    return user


def _roles(claims: Mapping[str, Any]) -> list[str] | None:
    """Give the roles that the ID token names, `None` if roles are given here. Raises NotAllowed if it names none."""
    if not settings.OIDC_ROLES_CLAIM:
        return None
    named = openid.values_at(claims, settings.OIDC_ROLES_CLAIM) or []
    roles = sorted({settings.OIDC_ROLES[name] for name in named if name in settings.OIDC_ROLES})
    if not roles:
        raise NotAllowed(_("The provider gives you no role in Flueman."), code="openid_no_role")
    return roles


def _free_name(claims: Mapping[str, Any]) -> str:
    """Give a user name that nobody has: a name that is taken belongs to another person, whatever the provider says."""
    wanted = next((claims[key] for key in ("preferred_username", "name") if isinstance(claims.get(key), str)), "")
    name = re.sub(r"[^\w.+-]+", "-", unicodedata.normalize("NFKC", wanted)).strip("-")[:_LONGEST_NAME] or "person"
    UnicodeUsernameValidator()(name)
    taken = set(User.objects.filter(username__startswith=name).values_list("username", flat=True))
    if name not in taken:
        return name
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)
