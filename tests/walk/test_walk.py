"""Every address times everybody: what each gets stands in a checked-in table; an address without a line fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from accounts.models import User
from accounts.roles import ROLES as ALL_ROLES
from flueman.api import urlpatterns
from inference.v2.gateway import ROUTES as V2_ROUTES
from tests.admin.making import make_rows
from tests.api.permission_table import ANYBODY, OPEN_TO_ALL_KEYS, ROLES, SCOPES, TABLE
from tests.inference.serving import Serving
from tests.walk import identities, routes
from tests.walk.identities import NOBODY, Identity
from tests.walk.site_table import ASGI, GATEWAY, LEFT_OUT, OPEN_TO_TOKENS, PAGES, VERBS

# What stands in a REST address for a thing that is not there: permission is asked before anything is looked up.
NOTHING = {"username": "nobody", "name": "nothing", "model": "nothing", "number": "1", "part": "1"}
ZERO = "0" * 32

pytestmark = pytest.mark.django_db(transaction=True)  # a prediction cannot run inside a transaction


@pytest.fixture
def persons() -> dict[str, User]:
    """Give one person for each role."""
    return identities.people()


KEYS = {"audit": "999999", "alias-rules": "999999", "review-items": "0" * 16}  # where a key is no UUID


def call(client: Client, line: str) -> int:
    """Call a REST address of nothing and give the status."""
    method, _, address = line.partition(" ")
    key = next((key for first, key in KEYS.items() if address.startswith(first)), ZERO)
    path = "/api/v1/" + re.sub(r"\{(\w+)\}", lambda found: (NOTHING | {"pk": key}).get(found[1], ZERO), address)
    return client.generic(method, path, b"{}", content_type="application/json").status_code


def page_of(pattern: str, row: Any, **more: str) -> str:
    """Give the path of a page: of a row, where the pattern names one."""
    values = {name: str(row.pk) for name in ("object_id", "pk", "key")} if row else {}
    values["sequence"] = "999999"
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: (values | more).get(found[1], "nothing"), pattern)
    return "/" + re.sub(r"\^?\(\?P<\w+>.*?\)/?\$", "nothing/", path)


def row_of(pattern: str) -> Any:
    """Give the first row of the model whose page this is, None where it is of no model."""
    parts = pattern.split("/")
    if parts[0] != "admin" or len(parts) < 4:
        return None
    try:
        return apps.get_model(parts[1], parts[2])._default_manager.order_by("pk").first()
    except LookupError:
        return None


def decision(status: int, location: str = "") -> str:
    """Give a letter: y shown, n refused, l sent to the log-in, u who are you, a there is no such thing for you."""
    if status in (401, 403):
        return "u" if status == 401 else "n"
    if 300 <= status < 400:
        return "l" if "/login/" in location else "a"
    return "a" if status == 404 else "y"


def open_page(client: Client, path: str) -> str:
    """Open a page and give the decision."""
    response = client.get(path)
    return decision(response.status_code, response.headers.get("Location", ""))


# -- the tables are whole ----------------------------------------------------------------------------------------------
def test_tables_when_compared_with_the_code_hold_each_address() -> None:
    assert set(routes.rest_routes(urlpatterns)) == set(TABLE)
    assert {name for name, _ in routes.pages()} == set(PAGES) | set(LEFT_OUT)
    assert {f"{model._meta.label}.{verb.name}" for model, verb in routes.verbs()} == set(VERBS)
    assert routes.gateway_routes() == set(GATEWAY)
    assert routes.asgi_routes() == set(ASGI)
    assert set(ROLES) == set(ALL_ROLES)


# -- REST --------------------------------------------------------------------------------------------------------------
def test_rest_when_called_by_each_role_answers_as_the_table_says(persons: dict[str, User]) -> None:
    wrong = {}
    for identity in [NOBODY, *identities.tokens(persons)]:
        refused = "u" if identity is NOBODY else "n"
        client = identity.client()
        for line, allowed in TABLE.items():
            if allowed == ANYBODY or (line in OPEN_TO_ALL_KEYS and line.startswith("POST")):
                continue  # asks for no credential, or ends the session that the others need: test_api.py has them
            status = call(client, line)
            is_refused = decision(status) == refused
            if is_refused == (identity.name in allowed) or status == 405 or status >= 500:
                wrong[identity.name, line] = status
    assert wrong == {}


def test_rest_when_called_by_a_key_of_one_scope_answers_as_the_table_says(persons: dict[str, User]) -> None:
    for identity in identities.keys(persons["administrator"]):
        client = identity.client()
        reached = {line for line in TABLE if decision(call(client, line)) not in "un"}
        assert reached - OPEN_TO_ALL_KEYS == SCOPES[identity.name] - OPEN_TO_ALL_KEYS, identity.name


def test_rest_when_called_with_a_dead_credential_or_a_cookie_refuses_as_nobody(persons: dict[str, User]) -> None:
    wrong = {}
    for identity in [*everybody_dead(persons), *identities.browsers(persons)]:
        client = identity.client()
        for line, allowed in TABLE.items():
            if allowed != ANYBODY and (status := call(client, line)) != 401:
                wrong[identity.name, line] = status
    assert wrong == {}


# -- pages -------------------------------------------------------------------------------------------------------------
def test_pages_when_opened_by_each_role_answer_as_the_table_says(persons: dict[str, User]) -> None:
    make_rows(2)
    found: dict[str, str] = {}
    for identity in [*identities.browsers(persons), NOBODY]:
        client = identity.client()
        for name, pattern in routes.pages():
            if name in PAGES:
                found[name] = found.get(name, "") + open_page(client, page_of(pattern, row_of(pattern)))
    assert found == PAGES


def test_verbs_when_asked_for_by_each_role_answer_as_the_table_says(persons: dict[str, User]) -> None:
    make_rows(2)
    wrong = {}
    for identity in identities.browsers(persons):
        client = identity.client()
        for model, verb in routes.verbs():
            row = model._default_manager.order_by("pk").first()
            label = f"{model._meta.label}.{verb.name}"
            wanted = VERBS[label][ROLES.index(identity.name)]
            if wanted == "y" and not verb.is_offered(row):
                wanted = "n"
            name = f"{model._meta.app_label}/{model._meta.model_name}"
            got = open_page(client, f"/admin/{name}/{row.pk}/do/{verb.name}/")
            if got != wanted:
                wrong[identity.name, label] = got
    assert wrong == {}


def test_pages_when_asked_for_with_a_token_or_a_key_send_to_the_log_in_as_anybody(persons: dict[str, User]) -> None:
    make_rows(1)
    wrong = {}
    everybody = [*identities.tokens(persons), *identities.keys(persons["administrator"]), *everybody_dead(persons)]
    for identity in everybody:
        client = identity.client()
        for name, pattern in routes.pages():
            if name not in PAGES or name in OPEN_TO_TOKENS:
                continue
            if open_page(client, page_of(pattern, row_of(pattern))) != PAGES[name][-1]:
                wrong[identity.name, name] = True
    assert wrong == {}


# -- the gateway -------------------------------------------------------------------------------------------------------
def test_gateway_when_called_by_everybody_answers_as_the_table_says(small: Serving) -> None:
    persons = identities.people()
    living = [NOBODY, *identities.tokens(persons), *identities.keys(persons["administrator"])]
    gone = everybody_dead(persons)
    small.refresh()
    wrong = {}
    for identity in [*living, *gone]:
        for address, allowed in GATEWAY.items():
            path = address.replace("{name}", "small").replace("{version}", "1")
            methods = V2_ROUTES[address.removeprefix("/v2").removeprefix("/")][0]
            headers = {name.lower().replace("-", "_"): value for name, value in identity.headers.items()}
            key = headers.pop("x_api_key", "")
            reply = small.call(path, None if "GET" in methods else {}, key=key, **headers)
            if identity is NOBODY or identity in gone:
                wanted = "y" if "nobody" in allowed else "u"
            else:
                wanted = "y" if identity.name in allowed else "n"
            if decision(reply.status) != wanted or reply.status >= 500:
                wrong[identity.name, address] = reply.status
    assert wrong == {}


# -- what belongs to somebody else -------------------------------------------------------------------------------------
def test_rest_when_the_thing_is_somebody_elses_then_it_does_not_exist(persons: dict[str, User]) -> None:
    make_rows(1)
    wrong = {}
    for identity in identities.tokens({role: persons[role] for role in ("client", "reviewer", "operator", "auditor")}):
        client = identity.client()
        for line, row in owned():
            seen_by = SEEN_OF_OTHERS.get(line.split()[1].split("/")[0], frozenset())
            method, _, address = line.partition(" ")
            path = "/api/v1/" + address.replace("{pk}", row.pk.hex)
            status = client.generic(method, path, b"{}", content_type="application/json").status_code
            if identity.name not in seen_by and status not in (403, 404):
                wrong[identity.name, line] = status
    assert wrong == {}


SEEN_OF_OTHERS = {
    "requests": frozenset({"operator", "reviewer", "auditor"}),
    "predictions": frozenset({"operator", "reviewer", "auditor"}),
    "feedback": frozenset({"operator", "reviewer", "auditor"}),
}


def owned() -> Iterator[tuple[str, Any]]:
    """Give the REST lines of things that belong to somebody, with a row of somebody else."""
    views = {"api-keys": "accounts.ApiKey", "sessions": "accounts.Session"}
    views |= {"requests": "inference.InferenceRequest", "predictions": "inference.Prediction"}
    views |= {"feedback": "feedback.Feedback"}
    for line in TABLE:
        first = line.split()[1].split("/")[0]
        if first in views and "{pk}" in line:
            yield line, apps.get_model(views[first])._default_manager.order_by("pk").first()


def everybody_dead(persons: dict[str, User]) -> list[Identity]:
    """Give the dead credentials of an administrator and of an operator who left."""
    return identities.dead(persons["administrator"], identities.make_user("operator", username="the-leaver"))
