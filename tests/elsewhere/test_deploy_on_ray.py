"""What the command tells a Ray cluster; the cluster itself is in `on_ray`."""

from __future__ import annotations

from typing import Any

import pytest

from common.sealing import unseal
from inference.elsewhere import ray_serve
from inference.management.commands.deploy_on_ray import _deploy
from inference.models import RemoteServer, VersionSettings
from inference.standalone.spec import Spec
from registry.models import ModelVersion
from tests.admin.making import make_version
from tests.elsewhere.oip.server import running

pytestmark = pytest.mark.django_db(transaction=True)


def deployed(version: ModelVersion, monkeypatch: pytest.MonkeyPatch, settings: Any, times: int = 1) -> list[Spec]:
    """Deploy on a cluster whose replicas are those of the first time, and give what it was told."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    told: list[Spec] = []
    with running() as server:

        def deploy(spec: Spec, scale: ray_serve.Scale, **_: Any) -> str:
            server.token = server.token or spec.token
            told.append(spec)
            return ""

        monkeypatch.setattr(ray_serve, "deploy", deploy)
        where = {"address": "auto", "http_host": "127.0.0.1", "http_port": server.port, "url": ""}
        for _ in range(times):
            _deploy(
                version, {**where, "autoscale": None, "replicas": 1, "cpus": 1, "ongoing": 4, "files_from": "http://a"}
            )
    return told


def test_command_when_called_again_keeps_the_token_of_what_serves(monkeypatch: Any, settings: Any) -> None:
    first, second = deployed(make_version("sum"), monkeypatch, settings, times=2)
    assert first.token == second.token == unseal(RemoteServer.objects.get().credential)
    assert RemoteServer.objects.get().name == "ray-sum-v1"


def test_command_when_a_version_has_settings_of_its_own_gives_them_along(monkeypatch: Any, settings: Any) -> None:
    settings.RUNNER = {**settings.RUNNER, "THREADS": 7, "MAX_BATCH": 9, "MEMORY_BYTES": 3 << 30}
    version = make_version("sum")
    (plain,) = deployed(version, monkeypatch, settings)
    VersionSettings.objects.create(version=version, threads=2, max_batch=4)
    (own,) = deployed(ModelVersion.objects.get(pk=version.pk), monkeypatch, settings)
    assert (plain.threads, plain.max_batch, plain.memory_bytes) == (7, 9, 3 << 30)
    assert (own.threads, own.max_batch, own.memory_bytes) == (2, 4, 3 << 30)
