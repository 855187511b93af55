"""`/v2` end to end: gateway, engine, real child, recorder; and everything that can be wrong with a call."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.conf import settings

from accounts.services import create_api_key, revoke_api_key
from guards.models import IdempotencyRecord
from inference.engine import get_engine
from inference.models import Deployment, InferenceRequest, Prediction, Route
from inference.services import deploy, set_enabled
from registry.models import ModelVersion
from tests.inference.serving import Reply, Serving, serving
from tests.runner.making import Child, child, make_folder, make_text_folder

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = [1.0, 2.0, 3.0, 4.0]


def good_still_works(served: Serving) -> bool:
    reply = served.predict(GOOD)
    return reply.status == 200 and reply.data["outputs"][0]["data"] == [10.0, 20.0]


def test_infer_when_good_then_answer_and_rows(small: Serving) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [*GOOD, 0, 0, 0, 1]}
    reply = small.call("/v2/models/small/infer", {"id": "mine", "inputs": [tensor]})
    assert reply.status == 200
    assert reply.data == {
        "model_name": "small",
        "model_version": "1",
        "id": "mine",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [10.0, 20.0, 1.0, 2.0]}],
    }
    row = InferenceRequest.objects.get()
    assert (row.id.hex, row.client_request_id, row.status, row.rows) == (reply.headers["x-request-id"], "mine", 200, 2)
    assert (row.deployment, row.model, row.version, row.version_id) == ("small", "small", 1, small.version.pk)
    assert (row.user_id, row.caller, row.door, row.address) == (
        small.user.pk,
        small.key[: len(row.caller)],
        "v2",
        "127.0.0.1",
    )
    outputs = [orjson.loads(p.output) for p in Prediction.objects.order_by("row")]
    assert outputs == [{"y": [10.0, 20.0]}, {"y": [1.0, 2.0]}]
    assert "total;dur=" in reply.headers["server-timing"]


def test_infer_when_text_then_label_and_score_are_kept(place: Path) -> None:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["안녕"]}
    folder = make_text_folder(place / "words")
    with child(folder) as process, serving(folder, process, name="words") as words:
        reply = words.call("/v2/models/words/infer", {"inputs": [tensor]})
    assert reply.status == 200
    prediction = Prediction.objects.get()
    assert prediction.label == reply.data["outputs"][0]["data"][0]
    assert prediction.score == pytest.approx(reply.data["outputs"][1]["data"][0])


def test_infer_when_many_at_once_then_each_gets_its_own(small: Serving) -> None:
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = small.predict([float(number), 0, 0, 0]).data["outputs"][0]["data"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [float(number), 2.0 * number] for number in range(40)}
    assert InferenceRequest.objects.count() == 40


def tensor_with(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": GOOD} | changes
    return {"inputs": [tensor]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"inputs": [{"name": "x\xff"}]}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"inputs": ["\\ud800"]}',
        b'{"inputs": [NaN]}',
        orjson.dumps({"inputs": []}),
        orjson.dumps(tensor_with(datatype="INT64")),
        orjson.dumps(tensor_with(shape=[1, 5])),
        orjson.dumps(tensor_with(shape=[0, 4], data=[])),
        orjson.dumps(tensor_with(data=[1, 2, 3])),
        orjson.dumps(tensor_with(data=[1, 2, 3, "4"])),
        orjson.dumps(tensor_with(data=[1, 2, 3, 1e39])),
        orjson.dumps(tensor_with(name="none of ours")),
        orjson.dumps(tensor_with() | {"id": 7}),
        orjson.dumps(tensor_with() | {"outputs": [{"name": "z"}]}),
        orjson.dumps(tensor_with() | {"outputs": [{"name": ["y"]}]}),
        orjson.dumps({"inputs": tensor_with()["inputs"] * 2}),
    ],
)
def test_infer_when_body_is_bad_then_typed_400_and_the_next_works(small: Serving, body: bytes) -> None:
    reply = small.call("/v2/models/small/infer", body, method="POST")
    assert reply.status == 400
    assert isinstance(reply.data["error"], str)
    assert list(reply.data) == ["error"]
    assert good_still_works(small)


def test_infer_when_body_is_too_large_then_413(small: Serving) -> None:
    body = b" " * (settings.MAX_INFER_BYTES + 1)
    assert small.call("/v2/models/small/infer", body).status == 413
    assert small.call("/v2/models/small/infer", b"{}", content_length=str(10**12)).status == 413
    assert good_still_works(small)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v2/models/none/infer", "POST", 404),
        ("/v2/models/small/versions/9/infer", "POST", 404),
        ("/v2/models/small/versions/1/infer", "GET", 405),
        ("/v2/models/small/infer", "GET", 405),
        ("/v2/models/small/infer/", "POST", 400),
        ("/v2/models", "GET", 404),
        ("/v2/nothing", "GET", 404),
        ("/v2/models/%2e%2e%2fadmin", "GET", 404),
    ],
)
def test_address_when_wrong_then_typed(small: Serving, path: str, method: str, status: int) -> None:
    reply = small.call(path, b"{}", method=method)
    assert reply.status == status
    assert reply.data["error"]


def test_metadata_when_asked_then_signature(small: Serving) -> None:
    reply = small.call("/v2/models/small")
    assert reply.data == {
        "name": "small",
        "versions": ["1"],
        "platform": "flueman_safetensors",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert small.call("/v2/models/small/ready").data == {"name": "small", "ready": True}
    assert small.call("/v2/models/small/versions/1/ready").status == 200
    assert small.call("/v2/health/live", key="").data == {"live": True}
    assert small.call("/v2/health/ready", key="").status == 200
    assert small.call("/v2", key="").data["name"] == "flueman"


@pytest.mark.parametrize("key", ["", "flm_local_x_y", "x" * 5000, "flm_" + "é"])
def test_key_when_not_ours_then_401(small: Serving, key: str) -> None:
    reply = small.call("/v2/models/small/infer", tensor_with(), key=key)
    assert (reply.status, "www-authenticate" in reply.headers) == (401, True)
    assert reply.data["error"]
    assert InferenceRequest.objects.count() == 0


def test_key_when_just_made_then_works_at_once(small: Serving) -> None:
    _, key = create_api_key(
        name="new", user=small.user, scopes=["predict"], allowed_models=[], expires_at=None, actor=small.user
    )
    assert small.predict(GOOD, key=key).status == 200


def test_deployment_when_just_made_then_found_at_once(small: Serving) -> None:
    deploy(name="another", version=small.version, actor=None)
    assert small.call("/v2/models/another/infer", tensor_with()).status == 200


def reply_when(served: Serving, status: int) -> Reply:
    """Call until the status is this, for a second and what a busy machine adds; give the last answer."""
    end = time.monotonic() + 2
    while (reply := served.predict(GOOD)).status != status and time.monotonic() < end:
        time.sleep(0.05)
    return reply


def test_key_when_revoked_then_refused_within_a_second(small: Serving) -> None:
    assert good_still_works(small)
    revoke_api_key(key=small.user.api_keys.get(), actor=None, reason="test")
    assert reply_when(small, 401).status == 401


def test_deployment_when_disabled_then_503_within_a_second(small: Serving) -> None:
    set_enabled(deployment=Deployment.objects.get(), enabled=False, actor=None)
    reply = reply_when(small, 503)
    assert (reply.status, reply.headers["x-error-code"]) == (503, "not_in_service")


def test_child_when_dead_then_503_and_the_failure_is_kept(place: Path) -> None:
    folder = make_folder(place / "mortal")
    with child(folder) as process, serving(folder, process) as small:
        assert good_still_works(small)
        process.process.send_signal(signal.SIGKILL)
        process.process.wait()
        reply = small.predict(GOOD)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert InferenceRequest.objects.filter(status=503).count() == 1


def test_child_when_stopped_then_504_at_the_deadline(small: Serving, settings: Any) -> None:
    settings.INFER_DEADLINE_S = 0.5
    small.process.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    reply = small.predict(GOOD)
    small.process.process.send_signal(signal.SIGCONT)
    assert (reply.status, reply.headers["x-error-code"]) == (504, "deadline_exceeded")
    assert time.monotonic() - started < 2
    settings.INFER_DEADLINE_S = 10
    assert good_still_works(small)


def test_queue_when_full_then_503_at_once(small: Serving, settings: Any) -> None:
    settings.INFER_QUEUE_ROWS = 8
    settings.INFER_DEADLINE_S = 3
    small.process.process.send_signal(signal.SIGSTOP)
    waiting = [threading.Thread(target=small.predict, args=(GOOD * 4,)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    reply = small.predict(GOOD)
    small.process.process.send_signal(signal.SIGCONT)
    for thread in waiting:
        thread.join()
    assert (reply.status, reply.headers["x-error-code"]) == (503, "queue_full")
    assert good_still_works(small)


def test_body_when_over_64_kb_then_kept_as_a_blob(small: Serving) -> None:
    reply = small.call("/v2/models/small/infer", b" " * 300_000 + orjson.dumps(tensor_with()))
    assert reply.status == 200
    row = InferenceRequest.objects.get()
    assert (row.input, len(row.input_blob)) == ("", 64)


def test_idempotency_when_repeated_then_one_row_and_the_same_answer(small: Serving) -> None:
    first = small.predict(GOOD, idempotency_key="k-1")
    second = small.predict(GOOD, idempotency_key="k-1")
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert second.headers["idempotency-replayed"] == "true"
    assert InferenceRequest.objects.count() == 1
    other = small.predict([0.0] * 4, idempotency_key="k-1")
    assert (other.status, other.headers["x-error-code"]) == (422, "idempotency_mismatch")


def test_idempotency_when_another_version_is_called_with_the_key_then_not_the_answer_of_the_first(
    small: Serving,
) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": GOOD}
    replies = [
        small.call(f"/v2/models/{small.deployment.name}{version}/infer", {"inputs": [tensor]}, idempotency_key="k-v")
        for version in (f"/versions/{small.version.number}", f"/versions/{small.version.number}", "")
    ]
    assert [reply.status for reply in replies] == [200, 200, 422]
    assert replies[1].headers["idempotency-replayed"] == "true"


def test_idempotency_when_no_version_takes_the_call_any_more_then_the_answer_that_was_kept(small: Serving) -> None:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": GOOD}]}
    named, plain = "/v2/models/small/versions/1/infer", "/v2/models/small/infer"
    firsts = [small.call(path, body, idempotency_key=f"k-{n}") for n, path in enumerate((named, plain))]
    put_another_in_place(small)
    for error in ("unknown_version", "not_in_service"):
        again = [small.call(path, body, idempotency_key=f"k-{n}") for n, path in enumerate((named, plain))]
        assert [reply.body for reply in again] == [reply.body for reply in firsts]
        assert {reply.headers["idempotency-replayed"] for reply in again} == {"true"}
        assert small.call(named, body).headers["x-error-code"] == error
        assert small.call(named, body, idempotency_key="new").headers["x-error-code"] == error
        assert small.call(plain, body, idempotency_key="k-0").headers["x-error-code"] == "idempotency_mismatch"
        Deployment.objects.update(is_enabled=False)
        small.refresh_routes()
    assert small.call(plain, body, idempotency_key="x" * 300).headers["x-error-code"] == "bad_key"
    assert IdempotencyRecord.objects.count() == 2


def put_another_in_place(served: Serving) -> None:
    """Let a version that takes another input answer."""
    old = served.version
    signature = {**old.signature, "inputs": [{**old.signature["inputs"][0], "name": "z"}]}
    given = {"state": old.state, "format": old.format, "manifest": old.manifest, "signature": signature}
    new = ModelVersion.objects.create(model=old.model, number=2, **given)
    Route.objects.update(version=new)
    served.refresh_routes()


def test_idempotency_when_many_at_once_then_one_row(small: Serving) -> None:
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(small.predict(GOOD, idempotency_key="k-2"))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} <= {200, 409}
    assert InferenceRequest.objects.filter(status=200).count() == 1


def test_idempotency_when_failed_then_key_is_free_again(small: Serving, settings: Any) -> None:
    settings.INFER_DEADLINE_S = 0.3
    small.process.process.send_signal(signal.SIGSTOP)
    assert small.predict(GOOD, idempotency_key="k-3").status == 504
    small.process.process.send_signal(signal.SIGCONT)
    settings.INFER_DEADLINE_S = 10
    time.sleep(0.2)
    assert small.predict(GOOD, idempotency_key="k-3").status == 200
    assert IdempotencyRecord.objects.get().status == 200


def test_model_name_when_korean_with_a_space_then_found_by_its_encoded_path(place: Path, small_child: Child) -> None:
    with serving(place / "small", small_child, name="의도 분류") as served:
        path = "/v2/models/%EC%9D%98%EB%8F%84%20%EB%B6%84%EB%A5%98/infer"
        assert served.call(path, tensor_with()).status == 200


def test_engine_when_in_a_transaction_then_refused(small: Serving) -> None:
    from django.db import transaction

    from inference.engine import predict_sync

    with transaction.atomic(), pytest.raises(RuntimeError):
        predict_sync(None)  # type: ignore[arg-type]
    assert get_engine().snapshot is not None
