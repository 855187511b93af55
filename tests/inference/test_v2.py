"""`/v2` beyond plain JSON: raw bytes, compressed bodies, text generation, repository, statistics, and its manners."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from typing import Any

import numpy as np
import orjson
import pytest
from django.test import Client
from django.urls import reverse
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from accounts.models import User
from accounts.services import create_api_key, create_user
from audit.models import AuditEvent
from common.asgi import has_come
from files.models import Blob
from files.services import open_blob
from guards.limits import Limit
from inference.bodies import stored
from inference.bodies.readable import first_words
from inference.engine import get_engine
from inference.figures.rollup import roll_up
from inference.models import Deployment, InferenceRequest, MetricWindow, RunnerState
from inference.v2 import bodies, repository
from inference.v2.gateway import Gateway, locate
from tests.inference.serving import Reply, Serving

pytestmark = pytest.mark.django_db(transaction=True)

ROW = np.array([[1, 2, 3, 4]], "<f4")
INFER = "/v2/models/small/infer"


def binary(rows: np.ndarray = ROW, **more: Any) -> tuple[bytes, str]:
    """Give a body of raw rows, and the header that says how long its JSON is."""
    entry = {"name": "x", "datatype": "FP32", "shape": rows.shape, "parameters": {"binary_data_size": rows.nbytes}}
    head = orjson.dumps({"inputs": [entry], **more})
    return head + rows.tobytes(), str(len(head))


def send(served: Serving, body: bytes, length: str | None, path: str = INFER, **headers: str) -> Reply:
    if length is not None:
        headers["inference_header_content_length"] = length
    return served.call(path, body, **headers)


def numbers_of(reply: Reply) -> list[float]:
    length = int(reply.headers["inference-header-content-length"])
    (output,) = orjson.loads(reply.body[:length])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(reply.body) - length
    return np.frombuffer(reply.body[length:], "<f4").tolist()


# -- raw bytes ---------------------------------------------------------------------------------------------------------
def test_infer_when_the_body_is_the_input_itself_then_answered_in_bytes(small: Serving) -> None:
    reply = send(small, ROW.tobytes(), "0")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/octet-stream")
    assert numbers_of(reply) == [10, 20]
    row = InferenceRequest.objects.get()
    assert stored.inputs_of(row.input) == {"x": [1, 2, 3, 4]}


def test_infer_when_bytes_are_sent_twice_with_one_key_then_one_row_and_the_same_bytes(small: Serving) -> None:
    body, length = binary(parameters={"binary_data_output": True})
    first, again = (send(small, body, length, idempotency_key="k-1") for _ in range(2))
    assert (first.body, numbers_of(again)) == (again.body, [10, 20])
    assert (again.headers["idempotency-replayed"], InferenceRequest.objects.count()) == ("true", 1)
    packed = send(small, body, length, idempotency_key="k-1", accept_encoding="gzip")
    assert gzip.decompress(packed.body) == first.body
    other = send(small, binary(ROW + 1, parameters={"binary_data_output": True})[0], length, idempotency_key="k-1")
    assert (other.status, other.headers["x-error-code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("length", ["-1", "1e2", "x", "", "9" * 11, "100000", "٣"])
def test_header_length_when_wrong_then_400(small: Serving, length: str) -> None:
    body, _ = binary()
    if length:
        headers = [(b"inference-header-content-length", length.encode())]
        assert raw_call(small, "POST", INFER, headers, [body]).status == 400
    assert send(small, body, None).status == 400
    assert send(small, *binary()).data["outputs"][0]["data"] == [10.0, 20.0]


def test_log_when_a_call_was_binary_then_shown_like_any_other(small: Serving, settings: Any) -> None:
    settings.INLINE_INPUT_BYTES = 64 << 10
    rows = np.tile(ROW, (3, 1))
    send(small, *binary(rows))
    large = send(small, *binary(np.tile(ROW, (1024, 2))[:, :4], parameters={"pad": "x" * 20_000}))
    refused = send(small, *binary(np.full((1, 4), np.nan, "<f4")))
    assert (large.status, refused.status) == (200, 400)
    first, second, third = InferenceRequest.objects.order_by("id")
    assert (stored.shapes_of(first.input), first.input_blob) == ({"x": [3, 4]}, "")
    assert (second.input, len(second.input_blob)) == ("", 64)
    assert "binary_data_size" in third.input
    operator = create_user(username="operator", password=None, roles=["operator"], actor=None)
    User.objects.filter(pk=operator.pk).update(language="en", is_staff=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=operator.pk))
    for row in (first, second, third):
        page = browser.get(reverse("admin:inference_inferencerequest_change", args=[row.pk]))
        assert page.status_code == 200
        assert (b"1024" in page.content) == (row == second)
    file = browser.get(reverse("admin:inference_inferencerequest_input", args=[second.pk]))
    assert (file.headers["Content-Type"], ".bin" in file.headers["Content-Disposition"]) == (
        "application/octet-stream",
        True,
    )
    with open_blob(Blob.objects.get(pk=second.input_blob)) as stream:
        assert stored.inputs_of(stream.read())["x"][:4] == [1, 2, 3, 4]
    listed = browser.get(reverse("admin:inference_inferencerequest_changelist"))
    assert "1, 2, 3, 4, …".encode() in listed.content
    deployment = Deployment.objects.get()
    again = browser.get(reverse("admin:inference_deployment_try", args=[deployment.pk]) + f"?from={first.pk}")
    assert b"1.0, 2.0, 3.0, 4.0" in again.content


# -- compressed bodies -------------------------------------------------------------------------------------------------
def test_body_when_compressed_then_inflated_first(small: Serving) -> None:
    body, length = binary()
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)):
        assert send(small, pack(body), length, content_encoding=encoding).status == 200
    large = body[: int(length)].replace(b"}", b"}" + b" " * 400_000, 1) + body[int(length) :]
    assert send(small, gzip.compress(large), str(int(length) + 400_000), content_encoding="gzip").status == 200


@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (zlib.compress(b"{}"), "gzip", 400),
        (gzip.compress(b"{}", mtime=0), "deflate", 400),
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip", 400),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip", 400),
        (gzip.compress(b"{}", mtime=0) * 2, "gzip", 400),
        (b"", "gzip", 400),
        (b"{}", "br", 400),
        (b"{}", "gzip, gzip", 400),
        (gzip.compress(b"not json", mtime=0), "gzip", 400),
    ],
)
def test_body_when_not_compressed_as_it_says_then_typed(
    small: Serving, packed: bytes, encoding: str, status: int
) -> None:
    reply = send(small, packed, None, content_encoding=encoding)
    assert (reply.status, list(reply.data)) == (status, ["error"])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_body_when_a_bomb_then_413_before_it_is_inflated(small: Serving, settings: Any, encoding: str) -> None:
    settings.MAX_INFER_BYTES = 1_000_000
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(b" " * 100_000_000)
    assert len(bomb) < 200_000
    started = time.monotonic()
    reply = send(small, bomb, None, content_encoding=encoding)
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert time.monotonic() - started < 5
    assert send(small, *binary()).status == 200


@pytest.mark.parametrize("accepted", ["gzip, deflate, br", "br", "*", "gzip;q=1.0", "identity"])
def test_answer_when_one_packing_is_not_named_alone_then_plain(small: Serving, accepted: str) -> None:
    reply = send(small, *binary(), accept_encoding=accepted)
    assert "content-encoding" not in reply.headers
    assert reply.data["outputs"][0]["data"] == [10.0, 20.0]
    metadata = small.call("/v2", accept_encoding="gzip")
    assert (metadata.data["name"], "content-encoding" in metadata.headers) == ("flueman", False)


# -- bodies that do not come -------------------------------------------------------------------------------------------
def raw_call(
    served: Serving,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    parts: list[bytes],
    *,
    is_whole: bool = True,
    pause_s: float = 0.0,
) -> Reply:
    """Call the gateway with a body in parts, each after a pause, of which more may never come."""
    reply, waiting = Reply(), list(parts)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(3600)
        await asyncio.sleep(pause_s)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting) or not is_whole}

    async def take(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "client": None}
    scope["headers"] = [(b"x-api-key", served.key.encode()), *headers]
    asyncio.run_coroutine_threadsafe(Gateway(get_engine)(scope, receive, take), get_engine().loop).result(30)
    return reply


def test_body_when_it_stops_coming_then_408(small: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE_S", 0.2)
    reply = raw_call(small, "POST", INFER, [], [b'{"inputs"'], is_whole=False)
    assert (reply.status, reply.headers["connection"], list(reply.data)) == (408, "close", ["error"])


def test_body_when_not_one_byte_comes_then_408(small: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE_S", 0.2)
    reply = raw_call(small, "POST", INFER, [], [], is_whole=False)
    assert (reply.status, reply.headers["connection"], list(reply.data)) == (408, "close", ["error"])


def test_body_when_it_comes_for_longer_than_the_deadline_then_answered(small: Serving, settings: Any) -> None:
    settings.INFER_DEADLINE_S = 1.0
    entry = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    parts = [orjson.dumps({"inputs": [entry]}), b" " * stored.HEAD_BYTES]
    reply = raw_call(small, "POST", INFER, [], parts, pause_s=0.7)
    assert (reply.status, len(InferenceRequest.objects.get().input_blob)) == (200, 64)


def test_message_when_uvicorn_has_it_then_known_to_be_there() -> None:
    async def told() -> list[bool]:
        come = asyncio.Event()
        cycle: Any = RequestResponseCycle.__new__(RequestResponseCycle)
        cycle.message_event = come
        before = has_come(cycle.receive)
        come.set()
        return [before, has_come(cycle.receive)]

    assert asyncio.run(told()) == [False, True]


def test_bodies_when_too_many_are_on_their_way_then_503(small: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", 10)
    reply = raw_call(small, "POST", INFER, [], [b'{"inputs"', b": []}"])
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert raw_call(small, "POST", INFER, [], [b'{"inputs": []}']).status == 400
    monkeypatch.undo()
    assert raw_call(small, "POST", INFER, [], [b'{"inputs"', b": []}"]).status == 400


# -- addresses ---------------------------------------------------------------------------------------------------------
def test_address_when_written_in_other_ways_then_the_same(small: Serving) -> None:
    body, length = binary()
    assert send(small, body, length, INFER + "/").status == 200
    assert send(small, body, length, INFER + "?test_1=1&x=%00").status == 200
    assert small.call("/v2/").data == small.call("/v2").data
    assert small.call("/v2/models/small", method="HEAD").status == 200
    assert small.call("/v2/models/small/stats/").status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("POST", "/v2", "GET, HEAD"),
        ("POST", "/v2/models/stats", "GET, HEAD"),
        ("DELETE", "/v2/models/small", "GET, HEAD"),
        ("OPTIONS", "/v2/health/live", "GET, HEAD"),
        ("PUT", "/v2/logging", "GET, HEAD, POST"),
        ("GET", "/v2/repository/index", "POST"),
        ("ET", "/v2", "GET, HEAD"),
    ],
)
def test_address_when_the_method_is_wrong_then_405_names_the_right_ones(
    small: Serving, method: str, path: str, allowed: str
) -> None:
    reply = small.call(path, b"{}", method=method)
    assert (reply.status, reply.headers["allow"], list(reply.data)) == (405, allowed, ["error"])


def test_locate_when_names_hold_anything_then_nothing_else_is_reached() -> None:
    assert locate("/v2/models/a%2Fb/versions/1/infer") == ("models/{name}/versions/{version}/infer", "a/b", "1")
    assert locate("/v2/models/stats") == ("models/stats", "", None)
    assert locate("/v2/models/stats/infer") == ("models/{name}/infer", "stats", None)
    assert locate("/v2/models/{name}/infer?x=/") == ("models/{name}/infer", "{name}", None)
    assert locate("/v2/repository/models/a/load")[0] == "repository/models/{name}/load"
    assert locate("/v2//models/a") == ("/models/{name}", "a", None)
    assert locate("/v2") == ("", "", None)


def test_limit_when_reached_then_429_says_when_and_how_much(small: Serving) -> None:
    _, key = create_api_key(
        name="slow", user=small.user, scopes=["predict"], allowed_models=[], expires_at=None, actor=None,
        per_minute=1, burst=1,
    )  # fmt: skip
    replies = [send(small, *binary(), key=key) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    headers = replies[1].headers
    assert headers["ratelimit-policy"] == Limit(1, 1).policy
    assert int(headers["retry-after"]) >= 1
    assert "r=0" in headers["ratelimit"]
    assert list(replies[1].data) == ["error"]


def test_server_when_models_are_loading_then_not_ready(small: Serving) -> None:
    RunnerState.objects.update(state="starting")
    small.refresh_routes()
    assert small.call("/v2/health/ready", key="").status == 503
    assert small.call("/v2/models/small/ready").status == 503
    RunnerState.objects.update(state="ready")
    small.refresh_routes()
    assert small.call("/v2/health/ready", key="").data == {"ready": True}


# -- text generation ---------------------------------------------------------------------------------------------------
def test_generate_when_the_model_takes_and_gives_text_then_answered(words: Serving) -> None:
    ask = {"id": "mine", "text_input": "안녕", "parameters": {"temperature": 0, "details": True}}
    reply = words.call("/v2/models/words/generate", ask)
    assert (reply.status, reply.data["id"], reply.data["model_name"]) == (200, "mine", "words")
    assert reply.data["text_output"] in ("greeting", "goodbye")
    assert 0 < reply.data["score"] <= 1
    row = InferenceRequest.objects.get()
    inputs = stored.inputs_of(row.input, words.version.parsed_signature())
    assert (inputs, row.client_request_id) == ({"text": ["안녕"]}, "mine")
    stream = words.call("/v2/models/words/versions/1/generate_stream", ask)
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert orjson.loads(stream.body.removeprefix(b"data: ").removesuffix(b"\n\n")) == reply.data


@pytest.mark.parametrize(
    "ask",
    [
        {},
        {"text_input": 7},
        {"text_input": ["a"]},
        {"text_input": "a\0b"},
        {"text_input": "a", "parameters": 1},
        {"text_input": "a", "inputs": {"text": ["b"]}},
        {"text_input": "a", "inputs": None},
    ],
)
def test_generate_when_wrong_then_400_as_json(words: Serving, ask: dict[str, Any]) -> None:
    for path in ("generate", "generate_stream"):
        reply = words.call(f"/v2/models/words/{path}", ask)
        assert (reply.status, list(reply.data)) == (400, ["error"])


def test_log_when_a_call_carries_more_than_its_inputs_then_shows_what_the_model_was_asked(words: Serving) -> None:
    entry = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["물음"]}
    assert words.call("/v2/models/words/infer", {"text_input": "남", "inputs": [entry]}).status == 200
    row = InferenceRequest.objects.get()
    assert (stored.inputs_of(row.input), first_words(row.input)) == ({"text": ["물음"]}, "물음")


def test_generate_when_the_model_knows_no_text_then_400_says_why(small: Serving) -> None:
    reply = small.call("/v2/models/small/generate", {"text_input": "a"})
    assert (reply.status, reply.headers["x-error-code"]) == (400, "not_generative")


# -- repository --------------------------------------------------------------------------------------------------------
def ruler(served: Serving, *models: str) -> str:
    person = create_user(username=f"ruler{len(models)}", password=None, roles=["operator"], actor=None)
    return create_api_key(name="r", user=person, scopes=["manage"], allowed_models=models, expires_at=None, actor=None)[
        1
    ]


def test_unload_and_load_when_repeated_then_done_and_audited_once(small: Serving) -> None:
    key = ruler(small)
    for _ in range(2):
        assert small.call("/v2/repository/models/small/unload", {}, key=key).status == 200
    assert not Deployment.objects.get().is_enabled
    index = small.call("/v2/repository/index", {}).data
    assert index == [{"name": "small", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}]
    assert small.call("/v2/repository/index", {"ready": True}).data == []
    for body in (b"", b"{}"):
        assert small.call("/v2/repository/models/small/load", body, key=key, method="POST").status == 200
    assert small.call("/v2/repository/index", {"ready": True}).data[0]["state"] == "READY"
    events = AuditEvent.objects.filter(action__startswith="inference.deployment_").order_by("sequence")
    assert [event.action for event in events] == ["inference.deployment_disabled", "inference.deployment_enabled"]
    assert all(event.request_id for event in events)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"parameters": {"config": "{}"}}, "registry"),
        ({"parameters": {"file:1/model.onnx": "AAAA"}}, "registry"),
        ({"parameters": []}, "must be an object"),
        ({"parameters": {"unload_dependents": "yes"}}, "true or false"),
    ],
)
def test_load_when_it_brings_more_than_a_name_then_refused(small: Serving, body: Any, words: str) -> None:
    reply = small.call("/v2/repository/models/small/load", body, key=ruler(small))
    assert (reply.status, words in reply.data["error"]) == (400, True)


def test_load_when_the_key_is_for_other_deployments_then_403(small: Serving) -> None:
    assert small.call("/v2/repository/models/small/unload", {}, key=ruler(small, "other")).status == 403
    assert small.call("/v2/repository/index", {}, key=ruler(small, "other", "another")).data == []
    assert Deployment.objects.get().is_enabled


def test_load_when_it_cannot_be_loaded_then_503_says_why(small: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ruler(small)
    monkeypatch.setattr(repository, "LOAD_S", 0.3)
    RunnerState.objects.update(state="starting")
    small.refresh_routes()
    late = small.call("/v2/repository/models/small/load", {}, key=key)
    assert (late.status, "still" in late.data["error"], late.headers["retry-after"]) == (503, True, "5")
    RunnerState.objects.update(state="failed", error="no such layer")
    small.refresh_routes()
    failed = small.call("/v2/repository/models/small/load", {}, key=key)
    assert (failed.status, "no such layer" in failed.data["error"]) == (503, True)


# -- statistics --------------------------------------------------------------------------------------------------------
def test_statistics_when_rolled_up_or_not_then_the_same_in_every_process(small: Serving) -> None:
    send(small, *binary(np.tile(ROW, (4, 1))))
    send(small, *binary())
    send(small, *binary(np.full((1, 4), np.inf, "<f4")))
    # Each call has a gateway of its own, as each web process has.
    (fresh,) = small.call("/v2/models/small/stats").data["model_stats"]
    assert (fresh["inference_count"], fresh["execution_count"]) == (5, 2)
    stats = fresh["inference_stats"]
    assert [stats[name]["count"] for name in ("success", "fail", "queue", "compute_infer")] == [2, 1, 2, 2]
    parts = sum(stats[name]["ns"] for name in ("queue", "compute_input", "compute_infer", "compute_output"))
    assert parts == pytest.approx(stats["success"]["ns"], rel=1e-6)
    assert {entry["batch_size"]: entry["compute_infer"]["count"] for entry in fresh["batch_stats"]} == {4: 1, 1: 1}
    roll_up()
    assert small.call("/v2/models/small/stats").data["model_stats"] == [fresh]
    MetricWindow.objects.update(minute="2020-01-01T00:00:00Z")
    InferenceRequest.objects.all().delete()
    send(small, *binary())
    roll_up()
    (later,) = small.call("/v2/models/small/versions/1/stats").data["model_stats"]
    assert (later["inference_count"], later["execution_count"]) == (6, 3)
    assert later["last_inference"] >= fresh["last_inference"]
    assert small.call("/v2/models/small/versions/9/stats").status == 404
