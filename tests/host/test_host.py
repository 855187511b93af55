"""The model host with real processes: what is deployed is served, whatever dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import OperationalError

from inference.host import client, places, states
from inference.host.database import Database, DatabaseAwayError
from inference.host.states import Identity
from inference.models import Deployment, Route, RunnerState
from registry.models import ModelVersion
from tests.host.hosting import ask, database_url, make_route, make_version, running_host, until, until_state
from tests.runner.making import make_folder, numbers_of, rows_of, wait_until_gone

pytestmark = pytest.mark.django_db(transaction=True)

ROW = rows_of([1, 2, 3, 4])


def test_host_when_a_version_is_deployed_serves_it_and_stops_it_when_disabled(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    with running_host():
        make_route(version)
        runner = until_state(version, "ready")
        assert numbers_of(ask(runner.socket_path, ROW)) == [[10, 20]]
        assert runner.load_ms > 0
        assert runner.memory_bytes > 1_000_000
        assert runner.heartbeat_at is not None
        assert b"DATABASE_URL" not in Path(f"/proc/{runner.pid}/environ").read_bytes()
        copy = settings.FLUEMAN_HOME / "cache" / "models" / str(version.pk)
        assert {path.name for path in copy.iterdir()} == {"flueman.json", "model.safetensors"}
        assert all(not path.stat().st_mode & 0o222 for path in (copy, *copy.iterdir()))
        Deployment.objects.update(is_enabled=False)
        assert until_state(version, "stopped").socket_path == ""
        assert wait_until_gone(runner.pid, 10)


def test_host_when_a_version_is_not_ready_does_not_serve_it(tmp_path):
    version = make_version(make_folder(tmp_path / "m"), state="refused")
    make_route(version)
    with running_host():
        time.sleep(1)
        assert client.status()["runners"] == []


def test_host_when_a_child_is_killed_starts_it_again_at_the_same_socket(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    make_route(version)
    with running_host():
        before = until_state(version, "ready")
        for number in (1, 2):
            os.kill(until_state(version, "ready").pid, signal.SIGKILL)
            after = until_state(version, "ready", restarts=number)
        assert after.socket_path == before.socket_path
        assert numbers_of(ask(after.socket_path, ROW)) == [[10, 20]]


def test_host_when_a_new_version_is_deployed_loads_it_beside_the_old_one(tmp_path):
    old, new = (make_version(make_folder(tmp_path / name)) for name in ("old", "new"))
    route = make_route(old)
    with running_host():
        served = until_state(old, "ready")
        route.weight = 0
        route.save()
        make_route(new)
        until_state(new, "ready")
        assert numbers_of(ask(served.socket_path, ROW)) == [[10, 20]]  # while web still has it in its snapshot
        until_state(old, "stopped")
        assert wait_until_gone(served.pid, 10)
        assert list(Route.objects.values_list("version", flat=True)) == [new.pk]


def test_host_when_the_stored_bytes_are_wrong_never_loads_them(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    stored = Path(default_storage.path(version.files.get(path="model.safetensors").blob.storage_key))
    stored.chmod(0o600)
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    make_route(version)
    with running_host():
        runner = until_state(version, "failed")
        assert "sha256 of model.safetensors differs" in runner.error
        assert runner.pid is None
        report = client.check(version.pk, lambda step: None)
    stored.unlink()
    assert report["ok"] is False
    assert "sha256 of model.safetensors differs" in report["steps"][0]["message"]


def test_host_when_its_copy_has_been_changed_makes_it_again(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    make_route(version)
    with running_host():
        pid = until_state(version, "ready").pid
        weights = settings.FLUEMAN_HOME / "cache" / "models" / str(version.pk) / "model.safetensors"
        good = weights.read_bytes()
        weights.chmod(0o600)
        weights.write_bytes(good[:-1] + b"\x41")
        os.kill(pid, signal.SIGKILL)
        runner = until_state(version, "ready", restarts=1)
        assert weights.read_bytes() == good
        assert numbers_of(ask(runner.socket_path, ROW)) == [[10, 20]]


def test_host_when_killed_takes_its_children_along_and_the_next_one_serves(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    make_route(version)
    with running_host() as host:
        first = until_state(version, "ready")
        host.kill()
        host.wait()
        assert wait_until_gone(first.pid)
    with running_host() as host:
        second = until(
            lambda: RunnerState.objects.filter(version=version, state="ready").exclude(pid=first.pid).first()
        )
        assert numbers_of(ask(second.socket_path, ROW)) == [[10, 20]]
        started = time.monotonic()
        host.send_signal(signal.SIGTERM)
        assert host.wait(15) == 0
        assert time.monotonic() - started < 10
        assert wait_until_gone(second.pid, 1)
    row = RunnerState.objects.get(version=version)
    assert (row.state, row.socket_path, row.pid) == ("stopped", "", None)
    assert not places.control_socket().exists()


def test_host_when_one_runs_already_refuses_to_start(tmp_path):
    with running_host():
        done = subprocess.run(
            [sys.executable, "manage.py", "run_model_host"],
            env={**os.environ, "DATABASE_URL": database_url()},
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "a model host runs already" in done.stderr


def test_host_when_a_version_cannot_be_loaded_says_why_and_serves_the_others(tmp_path):
    bad = make_version(make_folder(tmp_path / "bad", arguments={"sizes": [4, 3]}), name="bad")
    good = make_version(make_folder(tmp_path / "good"), name="good")
    make_route(bad, name="bad")
    make_route(good, name="good")
    with running_host():
        assert "the architecture says [3, 4]" in until_state(bad, "failed").error
        assert numbers_of(ask(until_state(good, "ready").socket_path, ROW)) == [[10, 20]]


def test_host_when_a_version_is_deleted_goes_on(tmp_path):
    gone, stays = (make_version(make_folder(tmp_path / name), name=name) for name in ("gone", "stays"))
    make_route(gone, name="gone")
    make_route(stays, name="stays")
    with running_host():
        pid = until_state(gone, "ready").pid
        until_state(stays, "ready")
        Route.objects.filter(version=gone).delete()
        gone.files.all().delete()
        ModelVersion.objects.filter(pk=gone.pk).delete()
        assert wait_until_gone(pid, 10)
        assert [runner["label"] for runner in client.status()["runners"]] == ["stays v1"]


def test_run_folder_when_home_is_a_long_path_gives_a_short_one(tmp_path, settings):
    settings.FLUEMAN_HOME = tmp_path / ("x" * 120)
    folder = places.run_folder()
    assert len(str(folder)) < 60
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def test_database_when_it_is_away_keeps_what_was_noted_and_writes_it_later(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    is_away = True

    def fails():
        if is_away:
            raise OperationalError("gone")
        return "there"

    async def work():
        nonlocal is_away
        database = Database(Identity("here"))
        with pytest.raises(DatabaseAwayError):
            await database.call(fails)
        database.note(version.pk, state="starting", restarts=3)
        keep, states.write = states.write, lambda *_: fails()
        try:
            with pytest.raises(DatabaseAwayError):
                await database.flush()
        finally:
            states.write = keep
        is_away = False
        database.note(version.pk, state="failed")
        await database.flush()
        assert await database.call(fails) == "there"

    asyncio.run(work())
    row = RunnerState.objects.get(version=version)
    assert (row.state, row.restarts) == ("failed", 3)


def test_host_when_the_file_store_is_away_then_the_version_has_failed_and_is_tried_again(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    make_route(version)
    with running_host(program=("-m", "tests.host.unlucky_host"), UNLUCKY="store"):
        assert until_state(version, "failed").error.startswith("EndpointConnectionError: ")
        runner = until_state(version, "ready")
        assert numbers_of(ask(runner.socket_path, ROW)) == [[10, 20]]
        assert runner.error == ""


def test_host_when_each_of_its_rounds_ends_in_an_error_then_it_serves_all_the_same(tmp_path):
    first, second = (make_version(make_folder(tmp_path / name), name=name) for name in ("first", "second"))
    make_route(first, name="first")
    with running_host(program=("-m", "tests.host.unlucky_host"), UNLUCKY="folder") as host:
        until_state(first, "ready")
        make_route(second, name="second")
        assert numbers_of(ask(until_state(second, "ready").socket_path, ROW)) == [[10, 20]]
        assert host.poll() is None


def test_database_when_one_row_cannot_be_written_then_the_others_are_and_it_is_kept(tmp_path, monkeypatch):
    bad, good = (make_version(make_folder(tmp_path / name), name=name) for name in ("bad", "good"))
    write, is_bad = states.write, True

    def unlucky(host, version_id, fields):
        if version_id == bad.pk and is_bad:
            raise ValueError("no such thing")
        write(host, version_id, fields)

    async def work():
        nonlocal is_bad
        database = Database(Identity("here"))
        for version in (bad, good):
            database.note(version.pk, state="failed")
        await database.flush()
        assert await database.call(list, RunnerState.objects.values_list("version", flat=True)) == [good.pk]
        is_bad = False
        await database.flush()

    monkeypatch.setattr(states, "write", unlucky)
    asyncio.run(work())
    assert RunnerState.objects.filter(state="failed").count() == 2
