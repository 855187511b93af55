"""An installation with a model under load; what clients were told against what the database holds."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from tests.crash.load import Load, Told
from tests.databases import connect, make_server
from tests.house.installation import Installation, wait_until
from tests.runner.making import make_folder
from tests.server import Server


class Served:
    """An installation with a small network deployed as `small`, on the database of this run, a server of its own."""

    def __init__(self, folder: Path, database: Server | None) -> None:
        self.folder, self.database = folder, database
        self.url = database.make_database("flueman") if database else ""
        self.site = Installation(folder / "home")
        self.more: dict[str, str] = {}
        self.api_key = ""

    def begin(self) -> None:
        """Start everything and deploy the network."""
        self.site.start(**self.environment())
        self.site.wait_ready()
        self.manage("create_user", "app", "--role", "client")
        made = self.manage("create_api_key", "load", "--user", "app", "--scopes", "predict")
        self.api_key = made.splitlines()[-1]
        model = make_folder(self.folder / "model")
        self.manage("import_model", str(model), "--name", "small", "--deploy")
        assert wait_until(self.is_served, 90), "the model is not served"

    def environment(self) -> dict[str, str]:
        """Give what differs from an installation on SQLite."""
        return self.more

    def manage(self, *arguments: str) -> str:
        """Run a command of the installation and give what it printed."""
        return self.site.manage(*arguments, **self.environment())

    def is_served(self) -> bool:
        """Whether a call is answered."""
        load = Load(self.site.port, self.api_key, model="small", width=4, clients=0)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=5)
            return load._call(connection, "load-1", load._body(1)) == 200
        except OSError:
            return False

    def rows(self) -> dict[str, tuple[int, list[str]]]:
        """Give status and outputs by request id (hex), read from the database itself."""
        found: dict[str, tuple[int, list[str]]] = {
            UUID(str(key)).hex: (status, []) for key, status in self._query("SELECT id, status FROM requests")
        }
        # Joined here: `request_id` has no index, a prediction's key follows that of its request.
        for key, output in self._query("SELECT request_id, output FROM predictions"):
            found[UUID(str(key)).hex][1].append(output)
        return found

    def client_ids(self) -> list[str]:
        """Give the callers' own ids of all answered requests, one for each row."""
        return [row[0] for row in self._query("SELECT client_request_id FROM requests WHERE status = 200")]

    def _query(self, sql: str) -> list[Any]:
        default = f"sqlite:///{quote(str(self.site.home / 'flueman.sqlite3'))}"
        connection = connect(self.url or default)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def end(self) -> None:
        """Leave nothing behind."""
        self.site.end()
        if self.database:
            self.database.kill()
            shutil.rmtree(self.database.folder, ignore_errors=True)


@contextmanager
def serving_installation(
    folder: Path | None = None, *, through: Callable[[str], str] = str, **more: str
) -> Iterator[Served]:
    """Give an installation on the database of this run, durable as in production, while the block runs.

    `through` gives the address by which it reaches the database's own; `more` is added to its environment.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="flm-"))
    database = make_server(is_durable=True)
    if database:
        database.start()
    site = Served(folder, database)
    site.more = {**({"DATABASE_URL": through(site.url)} if site.url else {}), **more}
    try:
        site.begin()
        yield site
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)


def a_child(served: Served, part: str) -> int:
    """Give the pid of a process that a part has started, once there is one."""
    found: list[int] = []

    def has_one() -> bool:
        found.extend(served.site.descendants(served.site.parts().get(part, 0)) if part in served.site.parts() else ())
        return bool(found)

    assert wait_until(has_one, 60), f"{part} has started nothing"
    return found[0]


def check(served: Served, told: Told) -> None:
    """Compare what clients were told with what the database holds."""
    rows = served.rows()
    assert told.answers
    lost = [key for key in told.answers if key not in rows]
    assert not lost, f"{len(lost)} acknowledged answers have no row"
    for key, answer in told.answers.items():
        status, outputs = rows[key]
        assert status == 200
        assert len(outputs) == 1
        assert json.loads(outputs[0])["y"] == pytest.approx(answer, rel=1e-6)
    counts: dict[str, int] = {}
    for client_id in served.client_ids():
        counts[client_id] = counts.get(client_id, 0) + 1
    doubled = [key for key in told.keys if counts.get(key, 0) != 1]
    assert not doubled, f"{len(doubled)} idempotency keys have not exactly one row: {doubled[:5]}"
    assert not told.unanswered
    assert not told.untyped, told.untyped[:3]
    assert set(told.statuses) <= {200, 409, 429, 503, 504, 507}
