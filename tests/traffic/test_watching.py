"""Canaries and shadows on the way of a call: real children, the engine, and what is written of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from guards.services import bump
from inference import services
from inference.engine import get_engine
from inference.models import Deployment, InferenceRequest, Revision, Route, RouteTally, RunnerState, ShadowResult
from inference.runners import Runners
from inference.services.deployments import STAMP
from inference.traffic import watching
from inference.traffic.difference import difference
from inference.traffic.judging import Guard, Verdict
from inference.transport import Output
from registry.models import ModelVersion
from tests.inference.serving import Serving
from tests.runner.making import Child, child, make_manifest

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = [1.0, 2.0, 3.0, 4.0]


@pytest.fixture(scope="module")
def other_child(place: Path) -> Iterator[Child]:
    """Give the process of a network that answers a little more than the first one."""
    folder = place / "other"
    folder.mkdir()
    weights = {"0.weight": torch.tensor([[1.0] * 4, [2.0] * 4]), "0.bias": torch.tensor([0.5, 0.5])}
    save_file(weights, folder / "model.safetensors")
    make_manifest(folder)
    with child(folder) as process:
        yield process


@pytest.fixture
def other(small: Serving, other_child: Child) -> ModelVersion:
    """Give a second version of the small network, which is loaded but not routed to."""
    first = small.version
    version = ModelVersion.objects.create(
        model=first.model, number=2, state="ready", format=first.format, manifest={}, signature=first.signature
    )
    RunnerState.objects.create(version=version, state="ready", socket_path=str(other_child.socket_path), load_ms=1)
    return version


def write_counts() -> None:
    """Have the engine write what it counted, as it does each second."""
    engine = get_engine()
    asyncio.run_coroutine_threadsafe(engine._watch.write(), engine.loop).result(30)


def versions(served: Serving, keys: list[str]) -> list[str]:
    return [served.predict(GOOD, x_flueman_route_key=key).data["model_version"] for key in keys]


def test_calls_when_there_is_a_canary_then_keys_stay_with_their_version_and_both_sides_are_counted(
    small: Serving, other: ModelVersion
) -> None:
    route = services.start_canary(
        deployment=small.deployment, version=other, weight=30, actor=None, guard=Guard(drift=50)
    )
    small.refresh()
    keys = [f"user-{n}" for n in range(60)]
    first = versions(small, keys)
    assert set(first) == {"1", "2"}
    assert versions(small, keys) == first
    services.set_weights(deployment=small.deployment, weights={other.pk: 60, small.version.pk: 40}, actor=None)
    small.refresh()
    grown = versions(small, keys)
    assert all(after == "2" for before, after in zip(first, grown, strict=True) if before == "2")
    assert small.call("/v2/models/small/versions/1/infer", body(GOOD)).data["model_version"] == "1"
    write_counts()
    verdict = services.canary_standing(route)
    answered = [*first, *first, *grown]
    assert (verdict.canary.requests, verdict.live.requests) == (answered.count("2"), answered.count("1"))
    assert verdict.canary.score_mean == pytest.approx(15.5, rel=0.06)
    assert (verdict.state, verdict.canary.errors) == ("watching", 0)


def body(row: list[float]) -> dict[str, object]:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": row}]}


@pytest.mark.parametrize("load_ms", [None, 5])
def test_calls_when_the_canary_dies_then_the_live_version_answers_and_the_canary_is_stopped(
    small: Serving, other: ModelVersion, load_ms: int | None
) -> None:
    RunnerState.objects.filter(version=other).update(socket_path="/nowhere/m.sock", load_ms=load_ms)
    services.start_canary(deployment=small.deployment, version=other, weight=50, actor=None)
    small.refresh()
    replies = [small.predict(GOOD) for _ in range(60)]
    assert {(reply.status, reply.data["model_version"]) for reply in replies} == {(200, "1")}
    assert set(InferenceRequest.objects.values_list("status", "version")) == {(200, 1)}
    write_counts()
    stopped = Revision.objects.order_by("-number")[0]
    assert (stopped.what, stopped.reason) == ("canary_stopped", "errors")
    assert small.deployment.routes.get().weight == 100
    assert not RouteTally.objects.exists()
    small.refresh()
    small.predict(GOOD)
    write_counts()


def test_calls_when_all_versions_are_away_for_a_moment_then_nothing_is_said_of_the_canary(
    small: Serving, other: ModelVersion
) -> None:
    path = RunnerState.objects.get(version=small.version).socket_path
    route = services.start_canary(deployment=small.deployment, version=other, weight=99, actor=None)
    RunnerState.objects.update(socket_path="/nowhere/m.sock", load_ms=5)
    small.refresh_routes()
    loop = get_engine().loop
    loop.call_soon_threadsafe(loop.call_later, 0.3, come_back, path, small.version)
    assert versions(small, ["user"]) == ["1"]
    write_counts()
    assert services.canary_standing(route).canary.requests == 0


def test_counts_when_the_deployment_is_deleted_while_its_canary_is_judged_then_they_are_forgotten(
    small: Serving, other: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunnerState.objects.filter(version=other).update(socket_path="/nowhere/m.sock", load_ms=None)
    services.start_canary(deployment=small.deployment, version=other, weight=99, actor=None)
    small.refresh_routes()

    def judged(route: Route) -> Verdict:
        verdict = services.canary_standing(route)
        if verdict.state == "stopped":
            Deployment.objects.all().delete()
        return verdict

    monkeypatch.setattr(watching, "canary_standing", judged)
    for _ in range(100):
        small.predict(GOOD)
        write_counts()
        if not get_engine()._watch._sides:
            break
    assert not Route.objects.exists()
    assert not get_engine()._watch._sides


def test_counts_when_a_round_of_writing_fails_then_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unlucky(watching.Watch):
        rounds = 0

        async def write(self) -> None:
            self.rounds += 1
            raise ValueError("no such thing")

    async def work() -> None:
        with ThreadPoolExecutor(1) as threads:
            watch = Unlucky(Runners(), threads)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watch.keep_writing(), 0.5)
            assert watch.rounds > 1

    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    asyncio.run(work())


def test_calls_when_there_is_a_shadow_then_its_answers_are_compared_and_kept(
    small: Serving, other: ModelVersion
) -> None:
    route = services.start_shadow(deployment=small.deployment, version=other, share_percent=100, actor=None)
    small.refresh()
    replies = [small.predict(GOOD) for _ in range(5)]
    assert {reply.data["model_version"] for reply in replies} == {"1"}
    until_copied(5)
    rows = list(ShadowResult.objects.order_by("id"))
    assert {row.request_id.hex for row in rows} == {reply.headers["x-request-id"] for reply in replies}
    first = rows[0]
    assert (first.deployment, first.version, first.live_version, first.rows) == ("small", 2, 1, 1)
    assert (first.difference, first.by_output, first.error_code) == (0.5, {"y": {"max": 0.5, "mean": 0.5}}, "")
    assert first.outputs == '[{"y":[10.5,20.5]}]'
    figures = services.shadow_standing(route)
    assert (figures.answered, figures.failed, figures.dropped, figures.mean_difference) == (5, 0, 0, 0.5)
    assert ShadowResult.objects.worst("small", 2)[0].difference == 0.5


def test_calls_when_they_name_a_shadow_then_they_are_told_that_it_is_not_served(
    small: Serving, other: ModelVersion
) -> None:
    services.start_shadow(deployment=small.deployment, version=other, share_percent=1, actor=None)
    small.refresh()
    named = "/v2/models/small/versions/2"
    replies = [small.call(f"{named}/infer", body(GOOD))]
    replies += [small.call(f"{named}{path}") for path in ("", "/config", "/ready", "/stats")]
    assert [(one.status, one.headers["x-error-code"]) for one in replies] == [(404, "unknown_version")] * 5
    assert small.call("/v2/models/small").data["versions"] == ["1"]
    assert [line["version"] for line in small.call("/v2/repository/index", {}).data] == ["1"]
    assert [line["version"] for line in small.call("/v2/models/stats").data["model_stats"]] == ["1", "2"]
    assert not InferenceRequest.objects.exists()


def until_copied(count: int) -> None:
    for _ in range(100):
        write_counts()
        if ShadowResult.objects.count() >= count:
            return
    raise AssertionError("the copies were not answered")


def test_calls_when_the_shadow_cannot_be_reached_then_callers_are_not_touched_and_it_is_counted(
    small: Serving, other: ModelVersion
) -> None:
    RunnerState.objects.filter(version=other).update(state="starting", socket_path="")
    route = services.start_shadow(deployment=small.deployment, version=other, share_percent=100, actor=None)
    small.refresh()
    assert {small.predict(GOOD).status for _ in range(3)} == {200}
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), get_engine().loop).result(5)
    write_counts()
    assert services.shadow_standing(route).dropped == 3


def test_calls_when_the_version_is_away_for_a_moment_then_they_wait_for_it(small: Serving, other_child: Child) -> None:
    path = RunnerState.objects.get().socket_path
    RunnerState.objects.update(state="stopped", socket_path="", load_ms=5)
    bump(STAMP)
    small.refresh()
    engine = get_engine()
    timer = engine.loop.call_later  # the host comes back while the call waits
    engine.loop.call_soon_threadsafe(timer, 0.3, come_back, path, small.version)
    reply = small.predict(GOOD)
    assert reply.status == 200, reply.body
    assert Deployment.objects.count() == 1


def come_back(path: str, version: ModelVersion) -> None:
    def write() -> None:
        RunnerState.objects.filter(version=version).update(state="ready", socket_path=path)
        bump(STAMP)

    get_engine()._threads.submit(write)


def test_difference_when_outputs_differ_then_told_by_output() -> None:
    numbers = Output("FP32", (2,), np.array([0.5, 1.0], dtype=np.float32))
    live = {"label": Output("BYTES", (2,), [b"a", b"b"]), "score": numbers}
    other = {"label": Output("BYTES", (2,), [b"a", b"c"]), "score": Output("FP32", (2,), np.array([0.5, 0.25]))}
    found = difference(live, other)
    assert (found.largest, found.same_labels, found.scores) == (0.75, 0.5, (0.0, -0.75))
    assert found.by_output == {"label": {"differing": 0.5}, "score": {"max": 0.75, "mean": 0.375}}
    assert difference(live, {}).largest == 1.0
    assert (
        difference({"n": Output("INT64", (0,), np.array([]))}, {"n": Output("INT64", (0,), np.array([]))}).largest == 0
    )
    huge = Output("FP64", (1,), np.array([1.7e308]))
    assert difference({"y": huge}, {"y": Output("FP64", (1,), np.array([-1.7e308]))}).largest == 1e300
