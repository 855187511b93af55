"""Everybody who may knock: people by token and by cookie, keys of each scope, and credentials no longer good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import ApiKey, Session, User
from accounts.scopes import SCOPES
from tests.accounts.making import bearer, make_key, make_user
from tests.api.permission_table import ROLES

BROKEN = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIiwidG9rZW5fdHlwZSI6ImFjY2VzcyJ9."


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to come in: a credential in the headers, or a person's browser."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    browser_of: User | None = None

    def client(self) -> Client:
        """Give a client that carries it."""
        client = Client(headers={"accept-language": "en", **self.headers})
        if self.browser_of:
            client.force_login(self.browser_of)
        return client


NOBODY = Identity("nobody")


def people() -> dict[str, User]:
    """Make one person for each role."""
    return {role: make_user(role, username=f"the-{role}") for role in ROLES}


def tokens(persons: dict[str, User]) -> list[Identity]:
    """Give each person with an access token."""
    return [Identity(role, bearer(services.open_session(user=user).access)) for role, user in persons.items()]


def browsers(persons: dict[str, User]) -> list[Identity]:
    """Give each person with the admin's cookie."""
    return [Identity(role, browser_of=user) for role, user in persons.items()]


def keys(owner: User) -> list[Identity]:
    """Give a key of each scope."""
    return [Identity(scope, bearer(make_key(owner, scope)[1])) for scope in SCOPES]


def dead(owner: User, leaver: User) -> list[Identity]:
    """Give credentials of `owner` that were good once or never, and those of `leaver`, who was deactivated."""
    ended = services.open_session(user=owner).access
    services.end_session(session=Session.objects.filter(user=owner).latest("id"), actor=owner)
    revoked, revoked_text = make_key(owner)
    services.revoke_api_key(key=revoked, actor=owner)
    expired, expired_text = make_key(owner)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    left_token, left_key = services.open_session(user=leaver).access, make_key(leaver)[1]
    services.deactivate_user(user=leaver, actor=owner)
    refresh = services.open_session(user=owner).refresh
    good = services.open_session(user=owner).access
    return [
        Identity("ended session", bearer(ended)),
        Identity("refresh token", bearer(refresh)),
        Identity("token of another signature", bearer(good[:-6] + "AAAAAA")),
        Identity("token without algorithm", bearer(BROKEN)),
        Identity("revoked key", bearer(revoked_text)),
        Identity("expired key", {"X-Api-Key": expired_text}),
        Identity("key of somebody who left", bearer(left_key)),
        Identity("token of somebody who left", bearer(left_token)),
        Identity("a way unknown to us", {"Authorization": "Negotiate abc"}),
    ]
