"""Web killed at random points while clients create things with keys: exactly one effect each (I2, I3).

`FLUEMAN_FAULTS=long` takes 300 keys; the suite takes 40. `-s` prints the account.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.databases import connect, make_server
from tests.faults import table
from tests.house.installation import Installation, wait_until

IS_LONG = os.environ.get("FLUEMAN_FAULTS") == "long"
KEYS = 300 if IS_LONG else 40
CLIENTS = 8
PORTIONS = 4  # each but the first comes with the kill of a worker, however fast the machine
GIVE_UP_S = 900.0 if IS_LONG else 240.0


class Work:
    """The numbers that clients take from, put there a portion at a time, and what they were told."""

    def __init__(self) -> None:
        self.portions = [list(range(KEYS))[begin::PORTIONS] for begin in range(PORTIONS)]
        self.numbers: list[int] = []
        self.told: list[Any] = []

    def give_more(self) -> None:
        """Put the next portion there, if there is one."""
        if self.portions:
            self.numbers += self.portions[0]
            del self.portions[0]


class Client(threading.Thread):
    """Takes a number at a time and repeats its call with its key until it has an answer of 2xx."""

    def __init__(self, site: Installation, token: str, work: Work) -> None:
        super().__init__(daemon=True)
        self._site, self._token, self._work = site, token, work

    def run(self) -> None:
        while True:
            try:
                number = self._work.numbers.pop()
            except IndexError:
                if not self._work.portions:
                    return
                time.sleep(0.02)
                continue
            self._until_answered(number)

    def _until_answered(self, number: int) -> None:
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            status, body = self._call(number)
            self._work.told.append((number, status, body))
            if 200 <= status < 300:
                return
            time.sleep(0.1)

    def _call(self, number: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._site.port, timeout=20)
        body = json.dumps({"name": f"made-{number}", "scopes": ["predict"]})
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": f"k-{number}"}
        try:
            connection.request("POST", "/api/v1/api-keys", body, {**headers, "Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()


def test_posts_when_web_is_killed_at_random_then_one_effect_each(tmp_path: Path, django_db_blocker: Any) -> None:
    database = make_server(is_durable=True)
    if database:
        database.start()
    url = (
        database.make_database("flueman") if database else f"sqlite:///{quote(str(tmp_path / 'home/flueman.sqlite3'))}"
    )
    site = Installation(tmp_path / "home")
    try:
        environment = {"WEB_CONCURRENCY": "2", "DATABASE_URL": url}
        site.start(**environment)
        site.wait_ready()
        site.manage("create_user", "boss", "--role", "administrator", **environment)
        made = site.manage("create_api_key", "test", "--user", "boss", "--scopes", "manage", **environment)
        token = made.splitlines()[-1]
        begun = time.monotonic()
        told, kills = storm(site, token)
        with django_db_blocker.unblock():
            rows, events = effects(url)
    finally:
        site.end()
        if database:
            database.kill()
    statuses = Counter(status for _, status, _ in told)
    answered = {number for number, status, _ in told if 200 <= status < 300}
    table.note("idempotency", f"{KEYS} keys, {kills} kills of web workers", statuses, time.monotonic() - begun)
    assert kills >= 3
    assert len(answered) == KEYS, statuses
    assert set(statuses) <= {0, 201, 409, 503}
    assert rows == {f"made-{number}": 1 for number in range(KEYS)}
    assert events == KEYS + 1  # and the key of the test itself


def storm(site: Installation, token: str) -> tuple[list[Any], int]:
    """Let the clients work while workers of web are killed; give what they were told, and the number of kills."""
    work, kills = Work(), 0
    work.give_more()
    clients = [Client(site, token, work) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        time.sleep(random.uniform(0.02, 0.7))
        workers = [pid for pid in site.descendants(site.parts().get("web", 0)) if pid]
        if (work.numbers or work.portions) and workers and any(client.is_alive() for client in clients):
            work.give_more()
            time.sleep(random.uniform(0, 0.1))  # in the middle of what was just begun
            try:
                site.kill(random.choice(workers))
                kills += 1
            except ProcessLookupError:
                continue
            assert wait_until(lambda: site.answers("/livez") or not work.numbers, 60)
    return work.told, kills


def effects(url: str) -> tuple[Counter[str], int]:
    """Give how often each thing was made, and how many events of the audit say so, read from the database itself."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM accounts_apikey WHERE name <> 'test'")
        names = Counter(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT COUNT(*) FROM audit_auditevent WHERE action = 'accounts.api_key_created'")
        return names, cursor.fetchone()[0]
