"""The database goes away under real processes: every door says so in its own shape, and is back when that is.

On MariaDB the server is killed; on SQLite another process holds the write lock for longer than anything waits.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.house.installation import wait_until
from tests.runner.making import make_folder
from tests.site import Site

API, V2 = "/api/v1/deployments/small/predict", "/v2/models/small/infer"
ROW = [1.0, 2.0, 3.0, 4.0]
BODIES = {
    API: {"inputs": {"x": [ROW]}},
    V2: {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW}]},
}


class Served(Site):
    """An installation that serves a small network to a caller with a key."""

    is_durable = True

    def start(self) -> None:
        """Start, deploy, and return when calls are answered."""
        super().start()
        self.manage("create_user", "app", "--role", "client", "--no-password")
        self.key = self.manage("create_api_key", "doors", "--user", "app", "--scopes", "predict").splitlines()[-1]
        self.manage("import_model", str(make_folder(self.folder / "model")), "--name", "small", "--deploy")
        assert wait_until(self.answers_on_both_doors, 90), "the model is not served"

    def answers_on_both_doors(self) -> bool:
        """Say whether good calls are answered."""
        self.last_answers = [self.call(door) for door in (API, V2)]
        return all(status == 200 for status, _headers, _body in self.last_answers)

    def call(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Make a call, a good one at a door, and give status, headers and body."""
        body = json.dumps(BODIES[path]).encode() if path in BODIES else None
        given = {"X-API-Key": self.key, "Content-Type": "application/json", **headers}
        address = f"http://127.0.0.1:{self.installation.port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(address, body, given), timeout=60) as reply:
                return reply.status, dict(reply.headers.items()), reply.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers.items()), error.read()

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Take the database away while the block runs."""
        if self.database:
            self.database.kill()
            try:
                yield
            finally:
                self.database.start()
            return
        lock = sqlite3.connect(self.installation.home / "flueman.sqlite3", timeout=20, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            lock.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Give the installation."""
    site = Served(Path(tempfile.mkdtemp(prefix="flm-")))
    try:
        site.start()
        yield site
    finally:
        site.end()


def told(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, Any]:
    """Give status and parsed body; fails for anything but JSON that says when to come again."""
    status, headers, body = answer
    names = {name.lower(): value for name, value in headers.items()}
    assert names["content-type"] == "application/json", body[:300]
    assert int(names["retry-after"]) >= 1
    return status, json.loads(body)


def test_calls_when_the_database_is_gone_then_typed_503_and_answered_again(served: Served) -> None:
    with served.without_database():
        status, body = told(served.call(V2))
        assert (status, list(body)) == (503, ["error"])
        assert isinstance(body["error"], str)
        for headers in ({}, {"Idempotency-Key": "k-1"}):
            status, body = told(served.call(API, **headers))
            assert (status, list(body)) == (503, ["error"])
            assert body["error"]["code"] in {"unavailable", "not_recorded"}
    assert wait_until(served.answers_on_both_doors, 30), served.last_answers
    assert served.call(API, **{"Idempotency-Key": "k-1"})[0] == 200


def test_pages_when_the_database_is_gone_then_503_and_the_process_is_not_restarted(served: Served) -> None:
    before = served.installation.parts()
    with served.without_database():
        assert served.call("/livez")[0] == 200
        if served.database:
            assert served.call("/readyz")[0] == 503
            status, body = told(served.call("/api/v1/deployments"))
            assert (status, body["error"]["code"]) == (503, "unavailable")
            status, _, page = served.call("/admin/", Cookie="sessionid=" + "x" * 32, Accept="text/html")
            assert (status, b"Traceback" in page) == (503, False)
    assert wait_until(lambda: served.call("/readyz")[0] == 200, 30)
    assert wait_until(served.answers_on_both_doors, 30), served.last_answers
    after = served.installation.parts()
    assert {name: after.get(name) for name in ("web", "models")} == {name: before[name] for name in ("web", "models")}
