"""Odd values for all that the schema names, on things that exist: an answer or a typed refusal in Korean, no fault."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client

from files.services import add_file
from inference.services import deploy
from jobs.services import enqueue
from tests.accounts.making import make_client, make_key, make_user
from tests.inference.log_rows import make_request
from tests.registry.make import make_ready, make_version

ODD: list[Any] = [
    None, True, -1, 0, 10**18, 10**30, 1e308, 0.5, "", " ", "x", "x" * 70_000, "가" * 300, "\u202e", "\0", "\ud800",
    "%00", "2026-13-45", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    "0" * 8 + "-0000" * 3 + "-" + "0" * 12, [], [None], [[]], {}, {"a": {"b": []}},
]  # fmt: skip
# In the suite each address meets every third value, the next address the next ones.
STEP = 1 if "FLUEMAN_ATTACKS" in os.environ else 3
# The first ends the session that the others need; predictions cannot run in a test's transaction: tests/doors has them.
LEFT_OUT = {"POST auth/logout", "POST deployments/{name}/predict"}


@pytest.fixture
def things(tmp_path: Path) -> dict[str, str]:
    """Give one of each thing that an address may name."""
    version = make_version(tmp_path, name="numbers")
    make_ready(version)
    deploy(name="numbers", version=version, actor=None)
    person = make_user("operator", username="someone")
    with (tmp_path / "model").open("wb+") as stream:
        file = add_file(stream=stream, name="empty", owner=person)
    key, _ = make_key(person)
    request = make_request()
    job = enqueue(kind="inference.check_version", payload={})
    return {
        "api-keys": str(key.pk), "files": str(file.pk), "jobs": str(job.pk), "requests": str(request.pk), "audit": "1",
        "username": "someone", "name": "numbers", "model": "numbers", "number": "1", "alias": "champion", "key": "k",
    }  # fmt: skip


@pytest.fixture
def schema() -> Any:
    """Give the OpenAPI schema."""
    return Client().get("/openapi.json").json()


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    """Give method, path and operation of every address of /api/v1."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1/") and f"{method.upper()} {path[8:]}" not in LEFT_OUT:
                yield method.upper(), path, operation


def filled(path: str, things: dict[str, str]) -> str:
    """Give the path with the names of what is there."""
    first = path.split("/")[3]
    return re.sub(r"\{(\w+)\}", lambda found: quote(things.get(found[1]) or things.get(first, "0" * 32)), path)


def fields(schema: Any, operation: Any) -> list[str]:
    """Give the names in the JSON body of an operation."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if reference := content.get("$ref"):
        content = schema["components"]["schemas"][reference.rpartition("/")[2]]
    return list(content.get("properties", {}))


def fault(response: Any) -> str:
    """Give what is wrong with an answer, or nothing."""
    if response.status_code < 400:
        return ""
    if response.headers["Content-Type"] != "application/json":
        return f"{response.status_code} as {response.headers['Content-Type']}"
    error = response.json()["error"]
    if error["code"] == "unexpected" or response.status_code == 500:
        return str(error["code"])
    return "" if re.search("[가-힣]", error["message"]) else f"not in Korean: {error['message'][:100]}"


@pytest.mark.django_db
def test_body_when_odd_in_one_field_or_whole_then_no_fault(schema: Any, things: dict[str, str]) -> None:
    client = make_client(make_user("administrator"))
    faults = set()
    for at, (method, path, operation) in enumerate(operations(schema)):
        if method not in ("POST", "PUT", "PATCH"):
            continue
        names, some = fields(schema, operation), ODD[at % STEP :: STEP]
        single = ({name: value} for place, name in enumerate(names) for value in ODD[place % STEP :: STEP])
        bodies = [*some, *single, *(dict.fromkeys(names, value) for value in some)]
        for body in bodies:
            sent = json.dumps(body)
            got = client.generic(method, filled(path, things), sent, content_type="application/json")
            if found := fault(got):
                faults.add((method, path, sent[:80], found))
    assert faults == set()


@pytest.mark.django_db
def test_query_when_odd_then_no_fault(schema: Any, things: dict[str, str]) -> None:
    client = make_client(make_user("administrator"))
    texts = [str(value).encode("utf-8", "replace").decode() for value in ODD if len(str(value)) < 4000]
    faults = set()
    for at, (method, path, operation) in enumerate(operations(schema)):
        names = [given["name"] for given in operation.get("parameters", []) if given["in"] == "query"]
        for name in names if method == "GET" else []:
            for text in texts[at % STEP :: STEP]:
                if found := fault(client.get(f"{filled(path, things)}?{urlencode({name: text})}")):
                    faults.add((path, name, text[:80], found))
    assert faults == set()


@pytest.mark.django_db
def test_address_when_odd_then_no_fault(schema: Any, things: dict[str, str]) -> None:
    client = make_client(make_user("administrator"))
    texts = [str(value).encode("utf-8", "replace").decode() for value in ODD if 0 < len(str(value)) < 4000]
    faults = set()
    for at, (method, path, _operation) in enumerate(operations(schema)):
        for name in re.findall(r"\{(\w+)\}", path):
            for text in texts[at % STEP :: STEP]:
                got = client.generic(
                    method,
                    filled(path.replace("{" + name + "}", quote(text, safe="")), things),
                    b"{}",
                    content_type="application/json",
                )
                if found := fault(got):
                    faults.add((method, path, name, text[:80], found))
    assert faults == set()
