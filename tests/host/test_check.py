"""Checks through the host: what is told, what is kept, what a hostile version cannot do."""

import asyncio
import json
import socket
import threading
from types import SimpleNamespace

import pytest
import torch

from common.errors import NotFound, Unavailable
from common.ids import uuid7
from files.models import Blob
from files.services import open_blob
from inference.host import client, control, places
from registry.models import ModelVersion
from registry.services import add_version, register_model
from tests.host.hosting import make_version, running_host, until
from tests.runner.making import make_folder, make_program, make_weights

pytestmark = pytest.mark.django_db(transaction=True)


def make_state_dict(folder):
    make_folder(folder, format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    torch.save(make_weights(), folder / "model.pt")
    return folder


class Loops(torch.nn.Module):
    """Never answers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while True:
            x = x + 0
        return x


class Hog(torch.nn.Module):
    """Asks for far more memory than there is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hogs = [torch.ones(64 * 1024 * 1024) for _ in range(1000)]
        return hogs[-1]


def test_check_when_a_state_dict_is_good_keeps_the_converted_files(tmp_path):
    version = make_version(make_state_dict(tmp_path / "m"), state="checking")
    steps = []
    with running_host():
        report = client.check(version.pk, steps.append)
    assert report["ok"] is True
    assert next(step["step"] for step in steps if step["state"] == "passed") == "open"
    assert report["manifest"]["format"] == "safetensors"
    assert set(report["converted"]) == {"flueman.json", "model.safetensors"}
    kept = {path: open_blob(Blob.objects.get(pk=sha256)).read() for path, sha256 in report["converted"].items()}
    assert json.loads(kept["flueman.json"]) == report["manifest"]
    from safetensors.torch import load

    assert load(kept["model.safetensors"])["0.weight"].tolist() == [[1] * 4, [2] * 4]


def test_check_when_a_version_loops_or_eats_memory_ends_it_and_checks_the_next(tmp_path):
    loops = make_version(make_program(tmp_path / "loops", Loops()), name="loops", state="checking", is_trusted=True)
    hog = make_version(make_program(tmp_path / "hog", Hog()), name="hog", state="checking", is_trusted=True)
    untrusted = make_version(make_program(tmp_path / "same", Hog()), name="untrusted", state="checking")
    good = make_version(make_folder(tmp_path / "good"), name="good", state="checking")
    with running_host(RUNNER_CHECK_DEADLINE_S="8", RUNNER_MEMORY_BYTES=str(2 * 1024**3)):
        report = client.check(loops.pk, lambda step: None)
        assert report["ok"] is False
        assert report["steps"][-1]["message"] == "the check ended early: it took more than 8 s"
        assert report["steps"][-1]["step"] == "signature"
        assert client.check(hog.pk, lambda step: None)["ok"] is False
        assert "trusted" in client.check(untrusted.pk, lambda step: None)["steps"][-1]["message"]
        assert client.check(good.pk, lambda step: None)["ok"] is True


def test_check_when_who_asked_goes_away_is_ended(tmp_path):
    version = make_version(make_program(tmp_path / "m", Loops()), state="checking", is_trusted=True)
    with running_host():

        def leave(step):
            if step["step"] == "signature":
                raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            client.check(version.pk, leave)
        folder = places.cache_folder("checks")
        until(lambda: not list(folder.iterdir()), 10)


def test_check_when_the_version_is_unknown_says_so():
    with running_host(), pytest.raises(NotFound):
        client.check(uuid7(), lambda step: None)


def test_check_when_the_host_is_down_or_dies_says_so(tmp_path):
    with pytest.raises(Unavailable) as refused:
        client.check(uuid7(), lambda step: None)
    assert refused.value.code == "host_down"
    version = make_version(make_program(tmp_path / "m", Loops()), state="checking", is_trusted=True)
    with running_host() as host:
        threading.Timer(2, host.kill).start()
        with pytest.raises(Unavailable) as refused:
            client.check(version.pk, lambda step: None)
    assert refused.value.code == "host_down"


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"{\n", b'{"op": "eat"}\n', b'{"op": "check", "version_id": 3}\n', b"\xff\n"]
)
def test_control_socket_when_it_gets_nonsense_answers_an_error_and_goes_on(line):
    with running_host():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(places.control_socket()))
            connection.sendall(line)
            answer = json.loads(connection.makefile().readline())
        assert answer["error"]["code"] == "invalid"
        assert client.status()["pid"] > 0


def test_control_socket_when_the_work_fails_unexpectedly_says_so_and_logs_it(caplog):
    class Broken:
        async def call(self, *_):
            raise ValueError("a fault of ours")

    async def ask():
        async with control.listening(SimpleNamespace(database=Broken())):
            await asyncio.to_thread(client.check, uuid7(), lambda step: None)

    with pytest.raises(Unavailable) as refused:
        asyncio.run(ask())
    assert refused.value.code == "unexpected"
    assert "a fault of ours" in caplog.text


def test_control_socket_when_a_line_is_too_long_refuses_it():
    with running_host():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(places.control_socket()))
            connection.sendall(b"[" * (control.MAX_LINE_BYTES + 1) + b"\n")
            assert json.loads(connection.makefile().readline())["error"]["code"] == "invalid"
        assert client.status()["pid"] > 0


def test_control_socket_when_looked_at_belongs_to_its_user_only():
    with running_host():
        assert places.control_socket().stat().st_mode & 0o777 == 0o600
        assert places.control_socket().parent.stat().st_mode & 0o777 == 0o700


def run_check_job():
    """Work at the one job that waits."""
    from jobs.models import Job
    from jobs.runner import run_job

    job = Job.objects.get(kind="inference.check_version", state=Job.State.QUEUED)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def test_check_job_when_a_version_is_good_makes_it_ready(tmp_path):
    folder = make_state_dict(tmp_path / "m")
    model = register_model(name="sums", actor=None)
    version = add_version(model=model, files={path.name: path for path in folder.iterdir()}, actor=None)
    with running_host():
        job = run_check_job()
    version.refresh_from_db()
    assert (job.state, job.progress) == ("succeeded", 100), job.error
    assert version.state == ModelVersion.State.READY
    assert version.format == "safetensors"
    assert {file.path for file in version.files.all()} == {"flueman.json", "model.safetensors"}
    assert version.check_report["latency_ms"]


def test_check_job_when_a_version_is_bad_refuses_it_with_the_sentence(tmp_path):
    folder = make_folder(tmp_path / "m", arguments={"sizes": [4, 3]})
    model = register_model(name="sums", actor=None)
    version = add_version(model=model, files={path.name: path for path in folder.iterdir()}, actor=None)
    with running_host():
        run_check_job()
    version.refresh_from_db()
    assert version.state == ModelVersion.State.REFUSED
    assert "the architecture says [3, 4]" in version.refusal


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_version_when_its_check_job_ended_without_a_result_waits_again(tmp_path, state):
    from jobs.models import Job
    from registry.services import recheck, release_checks, start_check

    version = add_version(model="sums", files={p.name: p for p in make_folder(tmp_path / "m").iterdir()}, actor=None)
    other = add_version(model="others", files={p.name: p for p in make_folder(tmp_path / "o").iterdir()}, actor=None)
    for one in (version, other):
        start_check(version=one)
    Job.objects.filter(target_id=str(version.pk)).update(state=state)
    assert release_checks() == 1
    version.refresh_from_db()
    other.refresh_from_db()
    assert (version.state, other.state) == ("pending", "checking")
    assert recheck(version=version, actor=None).state == "pending"
