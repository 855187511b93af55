"""A version elsewhere from its registration to an answered call, with a real model host that watches it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from accounts.models import User
from audit.models import AuditEvent
from common.errors import Conflict, Invalid, Unavailable, Unprocessable
from common.sealing import is_sealed, unseal
from guards.services import read_stamps
from inference.batches.predicting import most_rows
from inference.host import client
from inference.models import Deployment, RemoteModel, RemoteServer, RunnerState
from inference.remote.check import check_signature
from inference.remote.discovery import ask_metadata, talking
from inference.remote.places import Place, place_of
from inference.services import STAMP, deploy
from inference.services import remote as services
from jobs.models import Job
from registry.models import ModelVersion
from registry.services import pass_check, start_check
from tests.elsewhere.oip.server import METADATA, OipServer, running
from tests.host.hosting import running_host, until, until_state
from tests.inference.serving import Serving, end_engine

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "s3cret-token"


@pytest.fixture(autouse=True)
def _inside_is_open(settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]


def make_server(server: OipServer, **fields: Any) -> RemoteServer:
    known = {"name": "저쪽", "base_url": server.url, "actor": "test", "credential": server.token, "timeout_s": 2.0}
    return services.add_server(**known | fields)


def make_version(server: OipServer, **fields: Any) -> ModelVersion:
    row = RemoteServer.objects.first() or make_server(server)
    kept = services.look_at_remote(name="sums", server=row, remote_model="sum", **fields)
    return services.register_remote(model="sums", kept=kept, actor="test", is_reused=True)


def checked(version: ModelVersion) -> ModelVersion:
    """Have the host check it as the job would."""
    start_check(version=version)
    report = client.check(version.pk, lambda _step: None)
    version.refresh_from_db()
    if report["ok"]:
        pass_check(version=version, report=report, converted=None, manifest=report["manifest"])
    version.report = report  # type: ignore[attr-defined]
    return version


def test_version_when_it_is_registered_holds_what_the_server_tells() -> None:
    with running(token=TOKEN) as server:
        version = make_version(server)
        again = make_version(server)
    assert again == version
    assert (version.format, version.state, version.weights_path) == ("remote", "pending", "")
    assert version.signature["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]
    assert version.manifest["remote"] == {"server": "저쪽", "model": "sum", "version": ""}
    assert RemoteModel.objects.get().is_binary
    assert Job.objects.filter(kind="inference.check_version").count() == 1
    assert [file.path for file in version.files.all()] == ["flueman.json"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"remote_model": "nothing"}, "remote_model"),
        ({"remote_model": ".."}, "remote_model"),
        ({"remote_model": "a\r\nX-Evil: 1"}, "remote_model"),
        ({"remote_version": "\0"}, "remote_version"),
        ({"max_batch": 0}, "max_batch"),
        ({"signature": {"inputs": []}}, "signature.inputs"),
    ],
)
def test_version_when_it_cannot_be_is_not_registered(options: dict[str, Any], field: str) -> None:
    with running() as server:
        row = make_server(server)
        with pytest.raises(Invalid) as error:
            services.look_at_remote(**{"name": "sums", "server": row, "remote_model": "sum", **options})
    assert field in error.value.fields
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize(
    ("config", "given", "kept"),
    [
        (None, None, 32),
        (None, 64, 64),
        ({}, None, 32),
        ({"max_batch_size": "8"}, None, 32),
        ({"max_batch_size": 8}, None, 8),
        ({"max_batch_size": 8}, 4, 4),
        ({"max_batch_size": 0}, None, 1),  # the first dimension is no batch
        ({"max_batch_size": -7}, None, 1),
        ({"max_batch_size": 10**30}, None, 32),
    ],
)
def test_version_when_the_server_says_how_many_rows_it_takes_then_no_more_travel_together(
    config: dict[str, Any] | None, given: int | None, kept: int
) -> None:
    with running(config=config) as server:
        version = make_version(server, max_batch=given)
    assert version.manifest["limits"] == {"max_batch": kept}
    assert place_of(version).most_rows == most_rows(version) == kept  # type: ignore[union-attr]


@pytest.mark.parametrize(("told", "given"), [(8, 9), (0, 2)])
def test_version_when_more_rows_are_wanted_than_the_server_takes_then_refused(told: int, given: int) -> None:
    with running(config={"max_batch_size": told}) as server, pytest.raises(Invalid) as error:
        make_version(server, max_batch=given)
    assert str(max(1, told)) in error.value.fields["max_batch"]


def test_version_when_the_server_tells_no_signature_needs_one() -> None:
    with running(metadata={"name": "sum", "platform": "mlserver"}) as server:
        row = make_server(server)
        with pytest.raises(Invalid) as error:
            services.look_at_remote(name="sums", server=row, remote_model="sum")
        assert error.value.code == "no_signature"
        given = {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        }
        kept = services.look_at_remote(name="sums", server=row, remote_model="sum", signature=given)
    assert kept.files.manifest.signature.as_dict() == given


def test_manifest_when_uploaded_cannot_say_that_it_runs_elsewhere(tmp_path: Any) -> None:
    from io import BytesIO

    from registry.services import add_version

    manifest = {"format": "remote", "task": "tensor", "signature": {"inputs": [], "outputs": []}}
    with pytest.raises(Invalid):
        add_version(model="sums", files={"flueman.json": BytesIO(json.dumps(manifest).encode())}, actor="test")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "http://169.254.169.254/"),
        ("base_url", "http://10.0.0.1/"),
        ("base_url", "file:///etc/passwd"),
        ("base_url", "http://user:pass@127.0.0.1/"),
        ("base_url", "http://127.0.0.1/?a=b"),
        ("base_url", "http://0x7f.1/"),
        ("header", "Host"),
        ("header", "X-Key\r\nX-Evil"),
        ("credential", "a\r\nX-Evil: 1"),
        ("credential", "두 글자"),
        ("ca_pem", "no certificate"),
        ("timeout_s", 0.0),
        ("timeout_s", float("nan")),
        ("name", "a/b"),
    ],
)
def test_server_when_a_field_is_wrong_is_refused(field: str, value: Any) -> None:
    given = {"name": "there", "base_url": "http://127.0.0.1:9", "actor": "test", field: value}
    with pytest.raises(Invalid) as error:
        services.add_server(**given)
    assert set(error.value.fields) <= {field, "url"}
    assert not RemoteServer.objects.exists()


def test_credential_when_the_address_changes_has_to_be_given_again() -> None:
    with running(token=TOKEN) as server:
        row = make_server(server)
    assert is_sealed(row.credential)
    for change in ({"base_url": "http://127.0.0.1:1"}, {"header": "X-Key"}):
        with pytest.raises(Invalid) as error:
            services.change_server(server=row, actor="test", **change)
        assert error.value.code == "credential_needed"
    same = services.change_server(server=row, actor="test", base_url=row.base_url + "/v2/", timeout_s=3.0)
    assert (same.base_url, same.timeout_s, same.credential) == (row.base_url, 3.0, row.credential)
    moved = services.change_server(server=row, actor="test", base_url="http://127.0.0.1:1", credential="other")
    assert unseal(moved.credential) == "other"
    assert services.change_server(server=row, actor="test", credential="").credential == ""
    told = json.dumps([[event.before, event.after] for event in AuditEvent.objects.all()])
    assert TOKEN not in told
    assert "other" not in told


def test_server_when_versions_run_there_stays() -> None:
    with running() as server:
        make_version(server)
    with pytest.raises(Conflict):
        services.remove_server(server=RemoteServer.objects.get(), actor="test")


def test_version_elsewhere_when_deployed_is_watched_served_lost_and_served_again() -> None:
    """One boot of a host for the whole life of a version: check, serve, fail, come back, move, change."""
    with running(token=TOKEN) as server, running_host(OUTGOING_ALLOW="127.0.0.1"):
        version = checked(make_version(server))
        assert version.report["ok"], version.report  # type: ignore[attr-defined]
        steps = version.report["steps"]  # type: ignore[attr-defined]
        assert [step["step"] for step in steps] == ["reach", "signature", "sample", "batch", "measure"]
        assert set(version.check_report["latency_ms"]) == {"1", "32"}
        deployment = deploy(name="sums", version=version, actor="test")
        runner = until_state(version, "ready")
        assert runner.socket_path.startswith("oip://저쪽/")
        serving = make_serving(deployment, version)
        try:
            assert serving.predict([1, 2, 3, 4]).data["outputs"][0]["data"] == [10, 20]
            call = server.calls()[-1].headers
            assert call["authorization"] == f"Bearer {TOKEN}"
            assert call["x-request-id"]

            server.is_ready = False
            until_state(version, "failed")
            serving.refresh()
            reply = serving.predict([1, 2, 3, 4])
            assert (reply.status, reply.headers["retry-after"]) == (503, "5")
            server.is_ready = True
            until_state(version, "ready")

            before = RunnerState.objects.get().socket_path
            row = RemoteServer.objects.get()
            services.change_server(server=row, actor="test", base_url=server.url + "/", credential=TOKEN)
            after = until(lambda: RunnerState.objects.exclude(socket_path=before).filter(state="ready").first())
            assert after.socket_path.startswith("oip://")
            serving.refresh()
            assert serving.predict([1, 1, 1, 1]).status == 200

            server.metadata = {**server.metadata, "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}]}
            services.change_server(server=row, actor="test", timeout_s=4.0)
            failed = until_state(version, "failed")
            assert "registered as" in failed.error
        finally:
            end_engine()


def test_job_when_the_server_is_not_what_it_said_refuses_the_version() -> None:
    with running() as server, running_host(OUTGOING_ALLOW="127.0.0.1"):
        version = make_version(server)
        server.mode = "wrong_shape"
        report = checked(version).report  # type: ignore[attr-defined]
        assert [(step["step"], step["state"]) for step in report["steps"]][-1] == ("sample", "failed")
        assert "7 rows" in report["steps"][-1]["message"] or "[7, 2]" in report["steps"][-1]["message"]
        server.mode = "mixes"  # of callers that travel together each would get another's answer
        report = client.check(version.pk, lambda _step: None)
        assert [(step["step"], step["state"]) for step in report["steps"]][-1] == ("batch", "failed")
        alone = make_version(server, max_batch=1)
        start_check(version=alone)
        assert client.check(alone.pk, lambda _step: None)["ok"]


def test_check_when_a_row_alone_gets_another_length_says_that_calls_must_travel_alone() -> None:
    metadata = {**METADATA, "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}]}
    with running(mode="fills_up", metadata=metadata) as server, running_host(OUTGOING_ALLOW="127.0.0.1"):
        steps = checked(make_version(server)).report["steps"]  # type: ignore[attr-defined]
        alone = checked(make_version(server, max_batch=1))
    assert (steps[-1]["step"], steps[-1]["state"]) == ("batch", "failed")
    assert "max_batch 1" in steps[-1]["message"]
    assert alone.report["ok"]  # type: ignore[attr-defined]


def test_version_when_the_server_takes_binary_tensors_no_more_is_told_and_then_called_with_json() -> None:
    async def look(version: ModelVersion) -> str:
        place = place_of(version)
        assert place is not None
        async with talking(place) as there:
            return await check_signature(there, place, version.parsed_signature())

    with running() as server:
        version = make_version(server)
        assert RemoteModel.objects.get().is_binary
        server.extensions = []
        with pytest.raises(Unprocessable, match="binary"):
            asyncio.run(look(ModelVersion.objects.select_related("remote__server").get()))
        before = read_stamps().get(STAMP, 0)
        assert make_version(server) == version
        assert not RemoteModel.objects.get().is_binary
        assert read_stamps().get(STAMP, 0) > before
        assert asyncio.run(look(ModelVersion.objects.select_related("remote__server").get()))


def test_version_when_the_server_does_not_say_what_it_takes_is_sent_json_and_one_that_is_binary_waits() -> None:
    with running() as server:
        row = make_server(server)
        place = services.look_at_remote(name="sums", server=row, remote_model="sum").place
        assert place.is_binary
        server.extensions = None
        kept = services.look_at_remote(name="sums", server=row, remote_model="sum")
        assert not kept.place.is_binary
        assert "the same" in asyncio.run(_checked(kept.place))
        with pytest.raises(Unavailable):
            asyncio.run(_checked(place))


async def _checked(place: Place) -> str:
    async with talking(place) as client:
        return await check_signature(client, place, (await ask_metadata(client, place)).signature)


def make_serving(deployment: Deployment, version: ModelVersion) -> Serving:
    from accounts.services import create_api_key, create_user

    user: User = create_user(username="app", password=None, roles=["client"], actor=None)
    _, key = create_api_key(name="t", user=user, scopes=["predict"], allowed_models=[], expires_at=None, actor=user)
    serving = Serving(deployment, version, user, key, None)  # type: ignore[arg-type]
    from inference.engine import get_engine

    get_engine()
    serving.refresh()
    return serving
