"""Settings of a version, changed while it is called all the time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from accounts.services import create_api_key, create_user
from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from inference.engine import get_engine
from inference.models import Replica, RunnerState, VersionSettings
from inference.services import set_version_settings, settings_of
from tests.attacks.artefacts.test_children import onlooker, until_serving
from tests.host.hosting import make_route, make_version, running_host, until
from tests.inference.serving import Serving, end_engine
from tests.runner.making import make_folder

pytestmark = pytest.mark.django_db(transaction=True)


def test_settings_when_changed_under_load_are_taken_up_without_a_failed_call(tmp_path: Path) -> None:
    version = make_version(make_folder(tmp_path / "m"))
    deployment = make_route(version).deployment
    user = create_user(username="caller", password=None, roles=["client"], actor=None)
    _, key = create_api_key(name="k", user=user, scopes=["predict"], allowed_models=[], expires_at=None, actor=user)
    served = Serving(deployment, version, user, key, None)

    def live() -> int:
        served.refresh()
        return Replica.objects.filter(version=version).count()

    try:
        with running_host():
            get_engine()
            until_serving(served)
            with onlooker(served) as looker:
                before = RunnerState.objects.get(version=version)
                set_version_settings(version=version, actor=user, reason="more", processes=3, threads=2, half="bf16")
                until(lambda: live() == 3)
                after = RunnerState.objects.get(version=version)
                assert after.pid != before.pid
                assert after.memory_bytes > before.memory_bytes
                set_version_settings(version=version, actor=user, reason="a device that is not there", device="cuda:42")
                until(lambda: "cuda:42 is not there" in RunnerState.objects.get(version=version).error)
                assert live() == 3
                set_version_settings(
                    version=version, actor=user, reason="as before", device="cpu", processes=1, half=""
                )
                until(lambda: live() == 1)
                until(lambda: not RunnerState.objects.get(version=version).error)
            assert looker.failures == []
            assert looker.calls > 20
            os.kill(RunnerState.objects.get(version=version).pid or 0, signal.SIGKILL)
            until_serving(served)
    finally:
        end_engine()
    changed = AuditEvent.objects.filter(action="inference.version_settings_changed")
    assert changed.count() == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"processes": 0}, "processes"),
        ({"processes": 17}, "processes"),
        ({"threads": 1000}, "threads"),
        ({"max_batch": 5000}, "max_batch"),
        ({"device": "cuda:0; rm -rf"}, "device"),
        ({"device": "cuda:0\n"}, "device"),
        ({"device": "--trusted"}, "device"),
        ({"half": "int8"}, "half"),
        ({"device_share": 2}, "device_share"),
        ({"pid": 1}, "pid"),
    ],
)
def test_settings_when_they_cannot_be_are_refused_by_field(tmp_path: Path, changes: dict, field: str) -> None:
    version = make_version(make_folder(tmp_path / "m"))
    with pytest.raises(Invalid) as refused:
        set_version_settings(version=version, actor=None, **changes)
    assert field in refused.value.fields
    assert not VersionSettings.objects.exists()


def test_settings_when_a_version_cannot_do_them_say_why(tmp_path: Path) -> None:
    version = make_version(make_folder(tmp_path / "m"))
    with pytest.raises(Conflict, match=r"torch\.compile"):
        set_version_settings(version=version, actor=None, is_compiled=True)
    version.format = "torchscript"
    with pytest.raises(Conflict, match=r"program|프로그램"):
        set_version_settings(version=version, actor=None, half="fp16")
    assert settings_of(version).processes == 1
