"""No secret in any log, answer or column in clear (I10): planted, the product used and abused, then sought."""

from __future__ import annotations

import base64
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.attacks import table
from tests.databases import connect
from tests.site import Site

SECTION = "Secrets"
PASSWORD, NEW_PASSWORD = "Planted-password-7Qx", "Planted-new-password-9Zk"
OPERATORS = {
    "SECRET_KEY": "planted-secret-key-0123456789abcdefghijklmnop",
    "API_KEY_PEPPER": "planted-pepper-0123456789abcdefghijklmnopqrs",
    "AUDIT_SALT": "planted-salt-0123456789abcdefghijklmnopqrstuv",
    "SEALING_KEYS": "planted-sealing-0123456789abcdefghijklmnopqr",
    "OIDC_CLIENT_SECRET": "planted-oidc-0123456789abcdefghijklmnopqrstu",
}


class Person:
    """Calls the site and keeps everything that came back."""

    def __init__(self, site: Site) -> None:
        self.base = f"http://127.0.0.1:{site.installation.port}"
        self.heard: list[tuple[str, str]] = []

    def call(self, path: str, body: bytes | None = None, *, is_shown: bool = False, **headers: str) -> bytes:
        """Make a call. With `is_shown` the answer is one that is meant to hold a secret."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, body, named, method=named.pop("method", None))
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, head, said = reply.status, str(reply.headers), reply.read()
        except urllib.error.HTTPError as error:
            status, head, said = error.code, str(error.headers), error.read()
        assert status != 500, path
        if not is_shown:
            self.heard.append((f"{path[:40]} {status}", head + said.decode("utf-8", "replace")))
        return said

    def say(self, path: str, value: object, *, is_shown: bool = False, **headers: str) -> bytes:
        """Make a call with JSON."""
        given = {"Content_Type": "application/json", **headers}
        return self.call(path, json.dumps(value).encode(), is_shown=is_shown, **given)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give an installation that was started with planted secrets, and logs all it can."""
    made = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    made.environment |= {**OPERATORS, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    try:
        made.start()
        yield made
    finally:
        made.end()


def use_and_abuse(site: Site) -> tuple[Person, dict[str, str]]:
    """Do what people and attackers do with credentials; give what was heard and what must be found nowhere."""
    site.manage("create_user", "planter", "--role", "administrator", "--password-stdin", typed=PASSWORD)
    key = site.manage("create_api_key", "planted", "--user", "planter", "--scopes", "manage,predict").splitlines()[-1]
    person = Person(site)
    login = {"username": "planter", "password": PASSWORD}
    pair = json.loads(person.say("/api/v1/auth/token", login, is_shown=True))
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    for path in (
        "/api/v1/me",
        "/api/v1/users",
        "/api/v1/sessions",
        "/api/v1/api-keys",
        "/api/v1/audit",
        "/api/v1/nothing",
    ):
        for credential in (bearer, {"X_API_Key": key}, {"Authorization": f"Bearer {key}"}):
            person.call(path, **credential)
    person.call("/api/v1/me", Authorization="Basic " + base64.b64encode(f"planter:{PASSWORD}".encode()).decode())
    person.call(f"/api/v1/me?{urlencode({'api_key': key, 'password': PASSWORD, 'access_token': pair['access']})}")
    person.call(f"/v2/models/x/infer?key={quote(key)}", b"{}", X_API_Key=key)
    person.say("/api/v1/auth/token", {**login, "password": PASSWORD + "x"})
    person.say("/api/v1/auth/token", {**login, "device": {"password": PASSWORD}})
    person.call("/api/v1/auth/token", json.dumps(login).encode()[:-1], Content_Type="application/json")
    person.call("/api/v1/auth/token", urlencode(login).encode(), Content_Type="application/x-www-form-urlencoded")
    person.call("/admin/login/", urlencode(login).encode(), Content_Type="application/x-www-form-urlencoded")
    person.say("/api/v1/auth/refresh", {"refresh": pair["refresh"] + "x"})
    person.say("/api/v1/auth/refresh", {"refresh": [pair["refresh"]]})
    person.say("/api/v1/users", {"username": "p2", "password": NEW_PASSWORD, "roles": ["nonsense"]}, **bearer)
    person.say("/api/v1/me/password", {"old_password": PASSWORD, "new_password": NEW_PASSWORD, "x": 1}, **bearer)
    person.call("/api/v1/me", X_API_Key=key[:-1], Cookie=f"sessionid={key}")
    person.call("/api/v1/me", X_Request_ID=key[:64], Authorization=f"Token {key}")
    planted = {"password": PASSWORD, "new password": NEW_PASSWORD, "API key": key, **OPERATORS}
    planted["API key's secret"] = key.rsplit("_", 1)[-1]
    return person, planted | {"access token": pair["access"], "refresh token": pair["refresh"]}


def rows(site: Site) -> Iterator[tuple[str, str]]:
    """Give every row of every table as text."""
    url = site.environment.get("DATABASE_URL") or f"sqlite:///{site.installation.home}/flueman.sqlite3"
    with closing(connect(url)) as database, database.cursor() as cursor:
        for name in database.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(name)}")
            yield from ((f"table {name}", repr(row)) for row in cursor.fetchall())


def logs(site: Site) -> Iterator[tuple[str, str]]:
    """Give what the parts wrote, to their output or to files."""
    yield "output", site.installation.output.read_text(errors="replace")
    for path in site.installation.home.rglob("*"):
        if path.is_file() and path.name != "secrets.json" and "sqlite3" not in path.name:
            yield f"file {path.relative_to(site.installation.home)}", path.read_bytes().decode("utf-8", "replace")


def test_secrets_when_the_product_is_used_and_abused_then_nowhere_in_clear(site: Site) -> None:
    person, planted = use_and_abuse(site)
    places = [*person.heard, *rows(site), *logs(site)]
    found = {(name, place) for place, text in places for name, secret in planted.items() if secret in text}
    assert found == set()
    assert len(places) > 100
    table.record(
        SECTION, f"{len(planted)} planted secrets, {len(places)} answers, rows and files", "none found", "harmless"
    )
