"""Pages work without the internet: nothing is fetched from another host."""

import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/"])
def test_page_when_opened_names_no_other_host(path: str) -> None:
    page = Client().get(path)
    assert page.status_code == 200
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', page.content.decode()) == []


def test_schema_when_fetched_holds_the_doors() -> None:
    paths = Client().get("/openapi.json").json()["paths"]
    assert {"/v2/models/{name}/infer", "/api/v1/deployments/{name}/predict", "/readyz"} <= paths.keys()
