"""Somebody who calls, and what a process holds in memory to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from time import time
from typing import Protocol

from accounts.keys import fingerprint
from accounts.tokens import Verifier
from common.errors import NotAllowed
from guards.limits import Limit


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known, and what they may do with the credential that they carry."""

    user_id: int
    username: str
    label: str
    permissions: frozenset[str]
    identity: str
    key_id: str | None = None
    scopes: frozenset[str] | None = None
    allowed_models: frozenset[str] | None = None
    session_id: str | None = None
    limit: Limit | None = None
    rows_limit: Limit | None = None
    has_old_secret: bool = False
    person_permissions: frozenset[str] | None = None

    def may(self, permission: str) -> bool:
        """Tell whether the caller holds a permission such as `inference.predict_deployment`."""
        return permission in self.permissions

    def person_may(self, permission: str) -> bool:
        """Tell whether the person behind the credential holds a permission, also one that it does not let through."""
        return permission in (self.permissions if self.person_permissions is None else self.person_permissions)

    def may_call(self, deployment: str) -> bool:
        """Tell whether the key is open to a deployment."""
        return self.allowed_models is None or deployment in self.allowed_models

    def demand_model(self, deployment: str) -> None:
        """Raise NotAllowed for a key that is open to some deployments, and not to this one."""
        if not self.may_call(deployment):
            raise NotAllowed("this key may not call that deployment")

    def demand_all_models(self, why: str = "") -> None:
        """Raise NotAllowed for a key that is open to some deployments only, where all of them are concerned."""
        if self.allowed_models is not None:
            raise NotAllowed(f"this key is for its deployments only{why and ': '}{why}")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key that is not revoked, of an active user."""

    digest: bytes
    expires_at: float
    caller: Caller
    old_digest: bytes = b""
    old_until: float = 0.0

    def caller_with(self, given: bytes) -> Caller | None:
        """Give the caller who sends a secret of this digest, `None` if it is neither the new nor the lingering one."""
        if compare_digest(self.digest, given):
            return self.caller
        if self.old_until > time() and compare_digest(self.old_digest, given):
            return replace(self.caller, has_old_secret=True)
        return None

    def caller_of_token(self, made_for: str) -> Caller | None:
        """Give the caller of a token by the fingerprint of its secret, `None` once that secret has ended."""
        if not made_for or made_for == fingerprint(self.digest):
            return self.caller
        if self.old_until > time() and made_for == fingerprint(self.old_digest):
            return replace(self.caller, has_old_secret=True)
        return None


class Facts(Protocol):
    """Where the parser looks things up."""

    def key(self, prefix: str) -> KeyFacts | None:
        """Give a live key, None if there is none of this prefix."""

    def user(self, user_id: int) -> Caller | None:
        """Give an active user as a caller, None if there is none."""

    def has_ended(self, session_id: str) -> bool:
        """Tell whether a session was ended while its access tokens may still live."""

    def verifier(self, kid: str) -> Verifier | None:
        """Give a key whose signatures are believed, None if there is none of this id."""


@dataclass(frozen=True, slots=True)
class Directory:
    """All callers, in memory: `accounts/directory.py` reads them anew when the stamp `accounts` rises."""

    keys: Mapping[str, KeyFacts] = field(default_factory=dict)
    users: Mapping[int, Caller] = field(default_factory=dict)
    ended_sessions: frozenset[str] = frozenset()
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)

    def key(self, prefix: str) -> KeyFacts | None:
        """Give a live key."""
        return self.keys.get(prefix)

    def user(self, user_id: int) -> Caller | None:
        """Give an active user."""
        return self.users.get(user_id)

    def has_ended(self, session_id: str) -> bool:
        """Tell whether a session has ended."""
        return session_id in self.ended_sessions

    def verifier(self, kid: str) -> Verifier | None:
        """Give a key whose signatures are believed."""
        return self.verifiers.get(kid)
