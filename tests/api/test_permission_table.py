"""Role by method by address, and scope by method by address, against the checked-in table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from accounts.roles import ROLES as ALL_ROLES
from flueman.api import urlpatterns
from tests.accounts.making import bearer, make_client, make_key, make_user
from tests.api.permission_table import ANYBODY, OPEN_TO_ALL_KEYS, ROLES, SCOPES, TABLE

# What stands in an address for a thing that is not there: permission is asked before anything is looked up.
NOTHING = {"pk": "0" * 32, "username": "nobody", "name": "nothing", "model": "nothing", "number": "1"}


def routes(patterns: Sequence[Any], before: str = "") -> Iterator[str]:
    """Give `METHOD address` of every REST view."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and hasattr(pattern.callback, "cls"):
            address = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", before + str(pattern.pattern)).strip("^$")
            methods = getattr(pattern.callback, "actions", {}) or pattern.callback.cls.http_method_names
            yield from (f"{method.upper()} {address}" for method in methods if method != "head")


def call(client: Client, line: str) -> int:
    """Call an address and give the status."""
    method, _, address = line.partition(" ")
    values = NOTHING | ({"pk": "999999"} if address.startswith("audit") else {})
    path = "/api/v1/" + re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "nothing"), address)
    return client.generic(method, path, b"{}", content_type="application/json").status_code


def test_table_when_compared_with_the_routes_holds_each_of_them() -> None:
    assert set(routes(urlpatterns)) == set(TABLE)
    assert set(ROLES) == set(ALL_ROLES)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_role_when_calling_any_address_gets_what_the_table_says(role: str) -> None:
    client = Client() if role == "nobody" else make_client(make_user(role))
    refused = 401 if role == "nobody" else 403
    wrong = {}
    for line, allowed in TABLE.items():
        if line == "POST auth/logout" and role != "nobody":
            continue  # it would end the session that the others need; test_api.py has it
        status = call(client, line)
        if allowed == ANYBODY:
            continue  # refused for the empty body, with no credential asked for: test_api.py has them
        if (status == refused) == (role in allowed) or status in (403 if refused == 401 else 401, 405):
            wrong[line] = status
    assert wrong == {}


@pytest.mark.django_db
@pytest.mark.parametrize("scope", SCOPES)
def test_key_of_an_administrator_when_limited_to_a_scope_reaches_only_that(scope: str) -> None:
    _, text = make_key(make_user("administrator"), scope)
    client = Client(headers=bearer(text))
    statuses = {line: call(client, line) for line in TABLE}
    reached = {line for line, status in statuses.items() if status not in (401, 403)}
    assert reached - OPEN_TO_ALL_KEYS == SCOPES[scope] - OPEN_TO_ALL_KEYS
