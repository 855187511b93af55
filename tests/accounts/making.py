"""People, keys and clients for tests."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from django.test import Client

from accounts import services
from accounts.models import ApiKey, User

PASSWORD = "a long enough phrase"
_numbers = count(1)


def make_user(*roles: str, username: str = "", password: str | None = None) -> User:
    """Make a person; without a password, which costs a tenth of a second."""
    name = username or f"person{next(_numbers)}"
    return services.create_user(username=name, password=password, roles=roles, actor=None)


def make_key(user: User, *scopes: str, **limits: Any) -> tuple[ApiKey, str]:
    """Make a key of a person."""
    return services.create_api_key(name="test", user=user, scopes=scopes or ("manage",), actor=user, **limits)


def bearer(text: str) -> dict[str, str]:
    """Give the header of a key or token."""
    return {"Authorization": f"Bearer {text}"}


def make_client(user: User) -> Client:
    """Give a client that is logged in by token."""
    return Client(headers=bearer(services.open_session(user=user).access))


def post(client: Client, path: str, body: Any = None, **more: Any) -> Any:
    """Post JSON under /api/v1."""
    return client.post(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", **more)


def patch(client: Client, path: str, body: Any) -> Any:
    """Patch with JSON under /api/v1."""
    return client.patch(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
