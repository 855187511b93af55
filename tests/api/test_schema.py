"""The OpenAPI schema: made without a warning, valid, and true to what is served."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from tests.api.permission_table import ANYBODY, TABLE

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> Any:
    return Client().get("/openapi.json").json()


def operations(schema: Any) -> dict[str, Any]:
    return {
        f"{method.upper()} {path.removeprefix('/api/v1/')}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in METHODS and path.startswith("/api/v1/")
    }


def test_schema_when_made_gives_no_warning(tmp_path: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_schema_when_read_names_every_route(schema: Any) -> None:
    def nameless(line: str) -> str:
        return "{}".join(part.rpartition("}")[2] for part in line.split("{"))

    assert {nameless(line) for line in operations(schema)} == {nameless(line) for line in TABLE}


def test_operations_when_described_tell_their_errors(schema: Any) -> None:
    assert schema["components"]["schemas"]["Error"]["properties"]["error"]["required"]
    assert [line for line, operation in operations(schema).items() if "default" not in operation["responses"]] == []


def test_operations_when_anybody_may_call_them_name_no_credential(schema: Any) -> None:
    free = {line for line, operation in operations(schema).items() if {} in operation.get("security", [{}])}
    assert free == {line for line, allowed in TABLE.items() if allowed == ANYBODY}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_when_opened_needs_no_other_site(path: str) -> None:
    page = Client().get(path).content.decode()
    if "?script=" in page:  # a policy without inline scripts: the page's own comes from beside it
        page += Client().get(f"{path}?script=").content.decode()
    assert "openapi.json" in page
    assert "cdn." not in page
