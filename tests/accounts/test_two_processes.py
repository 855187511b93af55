"""What one web process ends, another refuses within a second: at the REST door and on /v2, with real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.accounts.making import bearer
from tests.databases import make_server
from tests.house.installation import ROOT

WITHIN_S = 1.0
BUSY_S = 1.0  # what a machine with other work may add to an answer
PASSWORD = "a long enough phrase"
KNOWN, REFUSED = 404, 401  # a caller who is let in hears that there is no such model


class Webs:
    """Two web processes on one database."""

    def __init__(self, home: Path, database_url: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "FLUEMAN_"))}
        kept |= {"FLUEMAN_HOME": str(home), "DATABASE_URL": database_url, "ACCESS_TOKEN_MINUTES": "60"}
        self.environment = kept
        self.processes: list[subprocess.Popen[bytes]] = []
        self.clients: list[httpx.Client] = []

    def manage(self, *arguments: str) -> str:
        """Run a command and give the last line that it printed."""
        settings = {**self.environment, "DJANGO_SETTINGS_MODULE": "flueman.settings"}
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return (done.stdout.strip().splitlines() or [""])[-1]

    def start(self) -> None:
        """Start one more."""
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            door.listen(64)
            command = [sys.executable, "-m", "uvicorn", "flueman.asgi:application", "--fd", str(door.fileno())]
            options = ["--lifespan", "on", "--log-level", "warning", "--loop", "uvloop"]
            self.processes.append(
                subprocess.Popen([*command, *options], cwd=ROOT, env=self.environment, pass_fds=[door.fileno()])
            )
            url = f"http://127.0.0.1:{door.getsockname()[1]}"
        self.clients.append(httpx.Client(base_url=url, timeout=60))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Post to the first."""
        response = self.clients[0].post(path, json=body or {}, headers=headers)
        assert response.status_code < 300, response.text
        return response.json()

    def seen(self, credential: str) -> list[int]:
        """Give what both answer on /v2 and at the REST door."""
        found = []
        for client in self.clients:
            found.append(client.get("/v2/models/none", headers=bearer(credential)).status_code)
            found.append(client.get("/api/v1/me", headers=bearer(credential)).status_code)
        return found

    def refused_after_s(self, credential: str) -> float:
        """Wait until both doors of both refuse, and give how long that took."""
        started = time.monotonic()
        while set(self.seen(credential)) != {REFUSED}:
            assert time.monotonic() - started < 30
            time.sleep(0.02)
        return time.monotonic() - started

    def end(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.close()
        for process in self.processes:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webs]:
    server = make_server()
    if server:
        server.start()
    made = Webs(tmp_path_factory.mktemp("two") / "home", server.make_database("two") if server else "")
    try:
        made.manage("migrate", "--verbosity", "0")
        password = made.manage("create_user", "minji", "--role", "administrator")
        made.start()
        made.start()
        made.environment["MINJI"] = password
        yield made
    finally:
        made.end()
        if server:
            server.kill()


def log_in(webs: Webs) -> dict[str, Any]:
    """Log in and see that both know it."""
    pair: dict[str, Any] = webs.post("/api/v1/auth/token", {"username": "minji", "password": webs.environment["MINJI"]})
    assert webs.seen(pair["access"]) == [KNOWN, 200] * 2
    return pair


def end_session(webs: Webs, pair: dict[str, Any]) -> None:
    webs.post("/api/v1/sessions/end-all", {"include_current": True}, **bearer(pair["access"]))


def reuse(webs: Webs, pair: dict[str, Any]) -> None:
    webs.post("/api/v1/auth/refresh", {"refresh": pair["refresh"]})
    assert webs.clients[1].post("/api/v1/auth/refresh", json={"refresh": pair["refresh"]}).status_code == 401


def steal(webs: Webs, pair: dict[str, Any]) -> None:
    webs.manage("rotate_signing_keys", "--withdraw-old", "--reason", "stolen")


@pytest.mark.parametrize("end", [end_session, reuse, steal])
def test_session_when_ended_in_one_process_is_refused_by_both_within_a_second(
    webs: Webs, end: Callable[[Webs, dict[str, Any]], None], record_property: Callable[[str, object], None]
) -> None:
    pair = log_in(webs)
    end(webs, pair)
    took_s = webs.refused_after_s(pair["access"])
    record_property("refused_after_s", round(took_s, 2))
    assert took_s < WITHIN_S + BUSY_S


def test_token_of_an_application_when_its_key_is_revoked_is_refused_by_both_within_a_second(
    webs: Webs, record_property: Callable[[str, object], None]
) -> None:
    pair = log_in(webs)
    made = webs.post("/api/v1/api-keys", {"name": "app", "scopes": ["predict", "read"]}, **bearer(pair["access"]))
    form = {"grant_type": "client_credentials"}
    answer = webs.clients[0].post("/oauth/token", data=form, auth=(made["prefix"], made["key"]))
    token = answer.json()["access_token"]
    assert webs.seen(token) == [KNOWN, 200] * 2
    webs.post(f"/api/v1/api-keys/{made['id']}/revoke", **bearer(pair["access"]))
    took_s = webs.refused_after_s(token)
    record_property("refused_after_s", round(took_s, 2))
    assert took_s < WITHIN_S + BUSY_S


def test_keys_when_rotated_are_known_to_both_at_once_and_nobody_is_logged_out(webs: Webs) -> None:
    before = log_in(webs)
    for _ in range(3):
        webs.manage("rotate_signing_keys", "--reason", "drill")
        log_in(webs)
        assert webs.seen(before["access"]) == [KNOWN, 200] * 2
    assert webs.post("/api/v1/auth/refresh", {"refresh": before["refresh"]})["access"]
