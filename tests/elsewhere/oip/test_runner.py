from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from common.errors import FluemanError
from common.sealing import seal
from inference.batches.calls import Calls
from inference.batches.columns import Numbers
from inference.batches.results import Answered
from inference.remote.places import Place
from inference.remote.runner import RemoteRunner
from inference.remote.wire import read_signature
from inference.transport.answers import Result, is_finite
from inference.transport.calls import plain, travelling
from tests.elsewhere.oip.server import METADATA, OipServer, running
from tests.notify.certificates import make_certificate
from tests.runner.making import rows_of

SIGNATURE = read_signature(METADATA)


@pytest.fixture(autouse=True)
def _inside_is_open(settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1", "localhost"]


def make_place(server: OipServer, **changes: Any) -> Place:
    known = {"server": "there", "base_url": server.url, "model": "sum", "timeout_s": 2.0, "most_rows": 32}
    return Place(**{**known, "is_binary": bool(server.extensions), **changes})


def run(place: Place, work: Callable[[RemoteRunner], Coroutine[Any, Any, Any]], tell: Any = None) -> Any:
    async def main() -> Any:
        runner = RemoteRunner(place, signature=SIGNATURE, queue_rows=100, tell=tell)
        try:
            return await work(runner)
        finally:
            runner.close()
            await runner.wait_closed()

    return asyncio.run(main())


async def call(runner: RemoteRunner, *rows: list[float], within_s: float = 5.0) -> Result:
    return await runner.submit([rows_of(*rows)], len(rows), perf_counter() + within_s)


def numbers(result: Result) -> Any:
    return result.outputs[0].values.tolist()  # type: ignore[union-attr]


async def outcome(runner: RemoteRunner, *rows: list[float], within_s: float = 5.0) -> FluemanError | Result:
    try:
        return await call(runner, *(rows or ([1, 2, 3, 4],)), within_s=within_s)
    except FluemanError as error:
        return error


@pytest.mark.parametrize("extensions", [["binary_tensor_data"], []])
def test_call_when_the_server_is_good_is_answered(extensions: list[str]) -> None:
    with running(extensions=extensions) as server:
        result = run(make_place(server), lambda runner: call(runner, [1, 2, 3, 4], [0.5, 0, 0, 0]))
        assert numbers(result) == [[10, 20], [0.5, 1]]
        told = server.calls()[0]
        assert ("inference-header-content-length" in told.headers) == bool(extensions)
        assert told.path == "/v2/models/sum/infer"


def test_calls_of_one_turn_travel_together_and_no_more_than_fit() -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        return await asyncio.gather(*(call(runner, [n, 0, 0, 0]) for n in range(10)))

    with running() as server:
        results = run(make_place(server, most_rows=4), work)
        assert [numbers(one)[0][0] for one in results] == list(range(10))
        assert len(server.calls()) == 3


@pytest.mark.parametrize(("mode", "status", "said"), [("refuses_nines", 400, "no nines"), ("fails_nines", 503, "nine")])
def test_call_when_a_neighbour_is_refused_is_answered_alone(mode: str, status: int, said: str) -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        return await asyncio.gather(outcome(runner, [1, 0, 0, 0]), outcome(runner, [9, 0, 0, 0]))

    with running(mode=mode) as server:
        good, bad = run(make_place(server), work)
    assert numbers(good) == [[1, 2]]
    assert (bad.status, said in bad.message) == (status, True)


@pytest.mark.parametrize("mode", ["behind_a_gateway", "too_slow_for_a_gateway"])
def test_calls_of_one_turn_when_a_gateway_answers_are_not_sent_again(mode: str) -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        return await asyncio.gather(outcome(runner, [1, 0, 0, 0]), outcome(runner, [2, 0, 0, 0]))

    with running(mode=mode) as server:
        assert [error.code for error in run(make_place(server), work)] == [WRONG[mode][1]] * 2
        assert len(server.calls()) == 1


def test_rows_of_a_batch_when_a_gateway_answers_for_a_moment_are_not_blamed() -> None:
    async def work(runner: RemoteRunner) -> list[Answered]:
        async def locate() -> RemoteRunner:
            return runner

        given = Numbers(SIGNATURE.inputs[0], np.ones((5, 4), "<f4"))
        return await Calls(locate, 5.0, 5.0, most_rows=1).run([given], 5)

    with running(mode="behind_a_gateway_at_first") as server:
        answered = run(make_place(server), work)
    assert [one.error for one in answered] == [""] * 5


def test_plain_when_a_failure_is_told_at_length_keeps_its_beginning_and_its_end() -> None:
    said = plain("Traceback\n" + "at line 7\n" * 100 + "ValueError: the reason", 60)
    assert len(said) <= 60
    assert said.startswith("Traceback at line 7")
    assert said.endswith("ValueError: the reason")
    assert plain("short\0", 60) == "short"


WRONG = {
    "wrong_shape": (503, "bad_answer"),
    "wrong_datatype": (503, "bad_answer"),
    "wrong_name": (503, "bad_answer"),
    "absurd_shape": (503, "bad_answer"),
    "too_few_bytes": (503, "bad_answer"),
    "odd_header_length": (503, "bad_answer"),
    "html": (503, "bad_answer"),
    "deep": (503, "bad_answer"),
    "half": (503, "bad_answer"),
    "closes": (503, "runner_lost"),
    "garbage": (503, "bad_answer"),
    "longer_than_said": (503, "bad_answer"),
    "huge": (503, "bad_answer"),
    "announces_huge": (503, "bad_answer"),
    "bomb": (503, "bad_answer"),
    "drip": (504, "deadline_exceeded"),
    "slow": (504, "deadline_exceeded"),
    "redirects": (503, "bad_answer"),
    "redirects_here": (503, "bad_answer"),
    "fails": (503, "model_failed"),
    "refuses": (400, "invalid"),
    "busy": (429, "remote_too_many"),
    "unready": (503, "remote_not_ready"),
    "behind_a_gateway": (503, "remote_lost"),
    "too_slow_for_a_gateway": (504, "deadline_exceeded"),
}


@pytest.mark.parametrize("mode", WRONG)
def test_call_when_the_server_misbehaves_gets_a_typed_error(mode: str) -> None:
    with running(mode=mode) as server:
        began = perf_counter()
        within_s = 0.6 if mode in ("drip", "slow") else 5.0
        error = run(make_place(server, timeout_s=5.0), lambda runner: outcome(runner, within_s=within_s))
        took_s = perf_counter() - began
        assert isinstance(error, FluemanError)
        assert (error.status, error.code) == WRONG[mode]
        assert took_s < 4
        assert len(server.calls()) == 1, "a call that was sent is not sent again"
        assert not [one for one in server.seen if "stolen" in one.path]


@pytest.mark.parametrize("extensions", [["binary_tensor_data"], []])
def test_answer_when_it_holds_nan_is_not_good(extensions: list[str]) -> None:
    with running(mode="nan", extensions=extensions) as server:
        result = run(make_place(server), outcome)
    assert isinstance(result, FluemanError) or not is_finite(result.outputs[0])


@pytest.mark.parametrize("extensions", [["binary_tensor_data"], []])
def test_answer_when_it_has_a_last_dimension_of_one_more_is_taken(extensions: list[str]) -> None:
    with running(mode="spare_dimension", extensions=extensions) as server:
        result = run(make_place(server), lambda runner: call(runner, [1, 2, 3, 4], [0.5, 0, 0, 0]))
    assert numbers(result) == [[10, 20], [0.5, 1]]


def test_waits_when_the_server_asks_for_them_are_bounded() -> None:
    with running(mode="busy") as server:
        place = make_place(server)
        assert run(place, outcome).retry_after_s == 7
        server.mode = "unready"
        assert run(place, outcome).retry_after_s == 3600


def test_call_when_nothing_listens_gets_503_after_few_tries() -> None:
    with running() as server:
        place = make_place(server)
    error = run(place, outcome)
    assert (error.status, error.code) == (503, "unreachable")


def test_call_when_the_server_comes_up_between_tries_is_answered() -> None:
    with running() as server:
        port = server.port

    async def work(runner: RemoteRunner) -> Any:
        waiting = asyncio.create_task(outcome(runner))
        await asyncio.sleep(0.02)
        with running(port=port):
            return await waiting

    assert numbers(run(make_place(server), work)) == [[10, 20]]


def test_calls_when_idle_connections_were_closed_are_answered() -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        results = [await outcome(runner)]
        await asyncio.to_thread(first.__exit__, None, None, None)
        with running(port=port):
            results += [await outcome(runner) for _ in range(3)]
        return results

    first = running()
    server = first.__enter__()
    port = server.port
    results = run(make_place(server), work)
    assert [numbers(one) for one in results] == [[[10, 20]]] * 4


def test_breaker_when_the_server_keeps_failing_opens_and_closes_again() -> None:
    told: list[tuple[float, str]] = []

    async def work(runner: RemoteRunner) -> None:
        for _ in range(5):
            assert (await outcome(runner)).code == "model_failed"
        error = await outcome(runner)
        assert (error.status, error.code, error.retry_after_s) == (503, "breaker_open", 1)
        calls = len(server.calls())
        assert (await outcome(runner)).code == "breaker_open"
        assert len(server.calls()) == calls
        server.mode = "good"
        until = perf_counter() + 10
        while isinstance(await outcome(runner), FluemanError):
            assert perf_counter() < until
            await asyncio.sleep(0.05)
        assert numbers(await outcome(runner)) == [[10, 20]]

    with running(mode="fails") as server:
        run(make_place(server), work, lambda wait_s, why: told.append((wait_s, why)))
    assert told[0][0] > 0
    assert "failed (500)" in told[0][1]
    assert told[-1] == (0.0, "")


def test_breaker_when_callers_are_wrong_stays_closed() -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        return [await outcome(runner) for _ in range(8)]

    with running(mode="refuses") as server:
        assert {error.status for error in run(make_place(server), work)} == {400}


def test_credential_when_the_server_says_it_back_is_not_told() -> None:
    with running(mode="fails", token="s3cret-token") as server:
        good = run(make_place(server, credential=seal("s3cret-token")), outcome)
        bad = run(make_place(server, credential=seal("wr0ng-token")), outcome)
    assert (good.code, bad.code) == ("model_failed", "remote_refused")
    assert "it broke Bearer ***" in good.message
    assert "s3cret" not in good.message
    assert "wr0ng" not in bad.message
    assert "token" not in repr(make_place(server, credential=seal("s3cret-token")))


def test_call_when_it_has_ids_passes_them_on() -> None:
    async def work(runner: RemoteRunner) -> Any:
        travelling.set(("0" * 31 + "7", "a" * 32))
        return await call(runner, [1, 2, 3, 4])

    with running() as server:
        run(make_place(server), work)
        headers = server.calls()[0].headers
    assert headers["x-request-id"] == "0" * 31 + "7"
    assert headers["traceparent"].split("-")[:2] == ["00", "a" * 32]


@pytest.mark.parametrize("name", ["../../admin", "a/b", "a b?x=1#y", "모델", "a%2fb", "x\u00a0y"])
def test_model_name_when_it_is_odd_stays_one_segment(name: str) -> None:
    with running() as server:
        run(make_place(server, model=name), outcome)
        path = server.seen[-1].path
    assert path.startswith("/v2/models/")
    assert path.endswith("/infer")
    assert len(path.split("/")) == 5
    assert not {"?", "#", " "} & set(path)


@pytest.mark.parametrize("allowed", [[], ["10.0.0.0/8"]])
def test_call_when_the_address_is_inside_is_refused(settings: Any, allowed: list[str]) -> None:
    with running() as server:
        settings.OUTGOING_ALLOW = allowed
        place = make_place(server, base_url=f"http://localhost:{server.port}")
        settings.OUTGOING_PORTS = [server.port]
        error = run(place, outcome)
        assert (error.status, error.code) == (503, "unreachable")
        assert not server.seen


def test_queue_when_it_is_full_refuses() -> None:
    async def work(runner: RemoteRunner) -> list[Any]:
        return await asyncio.gather(*(outcome(runner, *[[n, 0, 0, 0]] * 30) for n in range(5)))

    with running() as server:
        results = run(make_place(server), work)
    assert sorted(getattr(one, "code", "") for one in results) == ["", "", "", "queue_full", "queue_full"]


def test_tls_when_the_authority_is_our_own_takes_it_and_no_other(tmp_path: Path) -> None:
    mine, other = make_certificate(tmp_path, "localhost"), make_certificate(tmp_path, "elsewhere.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine)
    with running(tls=context) as server:
        url = f"https://localhost:{server.port}"
        place = make_place(server, base_url=url, ca_pem=certificate_of(mine))
        assert numbers(run(place, outcome)) == [[10, 20]]
        for wrong in ({"ca_pem": ""}, {"ca_pem": certificate_of(other)}, {"base_url": server.url}):
            error = run(replace(place, **wrong), outcome)
            assert (error.status, error.code) == (503, "bad_certificate"), wrong


def certificate_of(path: Path) -> str:
    return "-----BEGIN CERT" + path.read_text().split("-----BEGIN CERT")[1]
