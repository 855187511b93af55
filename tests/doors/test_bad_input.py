"""Everything that can be wrong with a call of `/api/v1`: a typed error of its own, and the next good call is answered.

`tests/inference/test_gateway.py` has the same for `/v2`; here is what both doors must do alike.
"""

from __future__ import annotations

import signal
import threading
import time
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.conf import settings
from django.test import Client

from guards.services import bump
from inference.models import Deployment, InferenceRequest, RunnerState
from inference.services import set_enabled
from tests.doors.api_door import predict, refusal
from tests.inference.serving import Serving, serving
from tests.runner.making import Child, child, make_folder

pytestmark = pytest.mark.django_db(transaction=True)

ROW = [1.0, 2.0, 3.0, 4.0]
GOOD = {"inputs": {"x": [ROW]}}


def is_answered(served: Serving) -> bool:
    response = predict(served, GOOD)
    return response.status_code == 200 and response.json()["outputs"] == {"y": [[10.0, 20.0]]}


def rows(value: Any) -> bytes:
    return orjson.dumps({"inputs": {"x": value}})


def raw(element: str) -> bytes:
    return f'{{"inputs": {{"x": [[1, 2, 3, {element}]]}}}}'.encode()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        pytest.param(rows([[1, 2, 3, "4"]]), "invalid", "x", id="text for a number"),
        pytest.param(rows([[1, 2, 3, True]]), "invalid", "x", id="true for a number"),
        pytest.param(rows([[1, 2, 3, None]]), "invalid", "x", id="null for a number"),
        pytest.param(rows([[1, 2, 3, {}]]), "invalid", "x", id="object for a number"),
        pytest.param(rows("1234"), "invalid", "x", id="text for rows"),
        pytest.param(rows(None), "invalid", "x", id="null for rows"),
        pytest.param(rows({}), "invalid", "x", id="object for rows"),
        pytest.param(rows([[1, 2, 3]]), "invalid", "x", id="row too short"),
        pytest.param(rows([ROW, [1]]), "invalid", "x", id="ragged rows"),
        pytest.param(rows([ROW, 5]), "invalid", "x", id="row and number"),
        pytest.param(rows([[ROW]]), "invalid", "x", id="one level too many"),
        pytest.param(rows([]), "invalid", "x", id="no rows"),
        pytest.param(rows([[]]), "invalid", "x", id="empty row"),
        pytest.param(rows([ROW] * 1025), "invalid", "x", id="too many rows"),
        pytest.param(rows([[1, 2, 3, 1e39]]), "invalid", "x", id="beyond FP32"),
        pytest.param(raw("NaN"), "invalid", "inputs.x[0][3]", id="NaN"),
        pytest.param(raw("Infinity"), "invalid", "inputs.x[0][3]", id="Infinity"),
        pytest.param(raw("-Infinity"), "invalid", "inputs.x[0][3]", id="-Infinity"),
        pytest.param(raw("1e999"), "invalid", "inputs.x[0][3]", id="a number beyond all"),
        pytest.param(raw("9" * 400), "malformed", "", id="an integer beyond all"),
        pytest.param(orjson.dumps({"inputs": {}}), "invalid", "x", id="input missing"),
        pytest.param(orjson.dumps({"inputs": {"x": [ROW], "y": 1}}), "invalid", "y", id="extra input"),
        pytest.param(orjson.dumps({"inputs": {"x\n\x07": [ROW], "x": [ROW]}}), "invalid", "x\n\x07", id="control name"),
        pytest.param(orjson.dumps({"inputs": [ROW]}), "invalid", "inputs", id="inputs as a list"),
        pytest.param(orjson.dumps({"instances": [ROW]}), "invalid", "inputs", id="another shape of body"),
        pytest.param(b"{}", "invalid", "inputs", id="empty object"),
        pytest.param(b"[]", "invalid", "inputs", id="list"),
        pytest.param(b"null", "invalid", "inputs", id="null"),
        pytest.param(b'"x"', "invalid", "inputs", id="text"),
        pytest.param(b"", "invalid", "inputs", id="no body"),
        pytest.param(b" ", "malformed", "", id="blank body"),
        pytest.param(b'{"inputs"', "malformed", "", id="cut off"),
        pytest.param(b"\xef\xbb\xbf{}", "malformed", "", id="byte order mark"),
        pytest.param('{"inputs": "안녕"}'.encode("euc-kr"), "malformed", "", id="EUC-KR"),
        pytest.param(b'{"inputs": {"x": ["a\x00"]}}', "malformed", "", id="bare NUL"),
        pytest.param(b'{"inputs": {"x\\u0000": 1}}', "invalid", "inputs", id="NUL in a name"),
        pytest.param(b'{"inputs": {"x": "\\ud800"}}', "invalid", "inputs.x", id="lone surrogate"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "too_deep", "", id="100,000 lists"),
        pytest.param(b"[" * 100_000, "too_deep", "", id="100,000 open lists"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep", "", id="100,000 objects"),
    ],
)
def test_body_when_bad_then_typed_400_naming_the_field(small: Serving, body: bytes, code: str, field: str) -> None:
    status, told, fields = refusal(predict(small, body))
    assert (status, told, list(fields)[:1]) == (400, code, [field] if field else [])
    assert is_answered(small)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("가" * 8193, "text"),
        ("a\0b", "inputs.text[0]"),
        (5, "text"),
        (None, "text"),
        (["nested"], "text"),
    ],
)
def test_text_when_bad_then_typed_400_naming_the_input(words: Serving, text: Any, field: str) -> None:
    status, code, fields = refusal(predict(words, {"inputs": {"text": [text]}}))
    assert (status, code, list(fields)) == (400, "invalid", [field])
    assert predict(words, {"inputs": {"text": ["안녕"]}}).status_code == 200


@pytest.mark.parametrize(
    "text", ["가" * 8192, "", "\u202e\u200b", "\U0001f600" * 4096, unicodedata.normalize("NFD", "안녕")]
)
def test_text_when_strange_but_text_then_answered_and_kept_as_sent(words: Serving, text: str) -> None:
    assert predict(words, {"inputs": {"text": [text]}}).status_code == 200
    kept = orjson.loads(InferenceRequest.objects.get().input)
    assert kept == {"inputs": {"text": [text]}}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
)
def test_content_type_when_not_json_then_415(small: Serving, kind: str) -> None:
    assert refusal(predict(small, GOOD, kind=kind))[:2] == (415, "unsupported_media_type")
    assert is_answered(small)


def test_content_type_when_missing_then_typed(small: Serving) -> None:
    assert refusal(predict(small, GOOD, kind=""))[0] in (400, 415)
    assert is_answered(small)


def test_v2_body_when_not_json_then_typed_400_whatever_it_is_called(small: Serving) -> None:
    for kind in ("text/plain", "application/octet-stream", "multipart/form-data; boundary=x", ""):
        reply = small.call("/v2/models/small/infer", b"x=1&y=2", content_type=kind)
        assert (reply.status, reply.headers["x-error-code"]) == (400, "malformed")
        assert list(reply.data) == ["error"]
    assert small.predict(ROW, content_type="text/plain").status == 200


def test_body_when_too_large_then_413(small: Serving) -> None:
    body = b" " * (settings.MAX_INFER_BYTES + 1)
    assert refusal(predict(small, body))[:2] == (413, "too_large")
    assert is_answered(small)


@pytest.mark.parametrize("name", ["none", "%00", "a\nb", "가" * 85, "x" * 255, "..", "a%2Fb", "\u202e", "\ud7ff"])
def test_deployment_when_unknown_then_404_on_both_doors(small: Serving, name: str) -> None:
    assert refusal(predict(small, GOOD, name=name))[0] == 404
    reply = small.call(f"/v2/models/{quote(name, safe='')}/infer", orjson.dumps(GOOD))
    assert (reply.status, reply.headers["x-error-code"]) == (404, "unknown_model")
    assert is_answered(small)


def test_deployment_when_named_in_decomposed_korean_then_answered_on_both_doors(
    place: Path, small_child: Child
) -> None:
    decomposed = unicodedata.normalize("NFD", "의도")
    with serving(place / "small", small_child, name=unicodedata.normalize("NFC", "의도")) as served:
        assert predict(served, GOOD, name=decomposed).status_code == 200
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROW}
        reply = served.call(f"/v2/models/{quote(decomposed)}/infer", {"inputs": [tensor]})
        assert (reply.status, reply.data["model_name"]) == (200, "의도")
        assert served.call(f"/v2/models/{quote(decomposed)}/ready").status == 200
    assert set(InferenceRequest.objects.values_list("deployment", flat=True)) == {"의도"}


def test_deployment_when_out_of_service_then_503(small: Serving) -> None:
    set_enabled(deployment=Deployment.objects.get(), enabled=False, actor=None)
    small.refresh()
    status, code, _ = refusal(predict(small, GOOD))
    assert (status, code) == (503, "not_in_service")


@pytest.mark.parametrize("state", ["starting", "failed"])
def test_model_when_not_loaded_then_503_on_both_doors(small: Serving, state: str) -> None:
    RunnerState.objects.update(state=state, socket_path="", error="out of memory" if state == "failed" else "")
    change_seen(small)
    assert refusal(predict(small, GOOD))[:2] == (503, "not_ready")
    reply = small.predict(ROW)
    assert (reply.status, reply.headers["x-error-code"]) == (503, "not_ready")
    assert int(reply.headers["retry-after"]) >= 1
    RunnerState.objects.update(state="ready", socket_path=str(small.process.socket_path), error="")
    change_seen(small)
    assert is_answered(small)


def test_host_when_down_then_503_and_its_return_is_noticed(small: Serving) -> None:
    RunnerState.objects.update(socket_path=str(small.process.socket_path) + ".gone")
    change_seen(small)
    assert refusal(predict(small, GOOD))[:2] == (503, "not_ready")
    reply = small.predict(ROW)
    assert (reply.status, reply.headers["x-error-code"]) == (503, "not_ready")
    RunnerState.objects.update(socket_path=str(small.process.socket_path))
    change_seen(small)
    assert is_answered(small)


def change_seen(served: Serving) -> None:
    """Let the engine see what the model host would have written."""
    bump("routes")
    served.refresh()


def test_child_when_killed_then_503_and_its_successor_answers(place: Path) -> None:
    folder = make_folder(place / "mortal")
    with child(folder) as process, serving(folder, process) as small:
        assert is_answered(small)
        process.process.send_signal(signal.SIGKILL)
        process.process.wait()
        failed = predict(small, GOOD)
        assert (refusal(failed)[0], failed.headers["Retry-After"]) == (503, "1")
        process.socket_path.unlink(missing_ok=True)
        with child(folder):
            assert is_answered(small)
    assert list(InferenceRequest.objects.order_by("id").values_list("status", flat=True)) == [200, 503, 200]


def test_deadline_when_passed_then_504(small: Serving, settings: Any) -> None:
    settings.INFER_DEADLINE_S = 0.4
    with stopped(small):
        started = time.monotonic()
        assert refusal(predict(small, GOOD))[:2] == (504, "deadline_exceeded")
        assert time.monotonic() - started < 2
    settings.INFER_DEADLINE_S = 10
    assert is_answered(small)


def test_queue_when_full_then_503_at_once(small: Serving, settings: Any) -> None:
    settings.INFER_QUEUE_ROWS = 8
    settings.INFER_DEADLINE_S = 3
    with stopped(small):
        waiting = [threading.Thread(target=small.predict, args=(ROW * 4,)) for _ in range(2)]
        for thread in waiting:
            thread.start()
        time.sleep(0.3)
        assert refusal(predict(small, GOOD))[:2] == (503, "queue_full")
    for thread in waiting:
        thread.join()
    assert is_answered(small)


class stopped:
    """Holds the model's process still while the block runs."""

    def __init__(self, served: Serving) -> None:
        self._process = served.process.process

    def __enter__(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("key", ["k" * 256, "a\tb", "키"])
def test_idempotency_key_when_bad_then_400(small: Serving, key: str) -> None:
    response = predict(small, GOOD, **{"idempotency-key": key.encode().decode("latin-1")})
    assert refusal(response)[:2] == (400, "bad_key")
    assert is_answered(small)


@pytest.mark.parametrize(
    ("key", "status"), [("", 401), ("x" * 5000, 401), ("flm_local_x_y", 401), ("flm_é", 401), ("a\0b", 401)]
)
def test_key_when_none_of_ours_then_401(small: Serving, key: str, status: int) -> None:
    assert refusal(predict(small, GOOD, **{"x-api-key": key}))[0] == status
    assert not InferenceRequest.objects.exists()


def test_method_when_wrong_then_405(small: Serving) -> None:
    response = Client().get("/api/v1/deployments/small/predict", headers={"x-api-key": small.key})
    assert refusal(response)[:2] == (405, "method_not_allowed")


def test_call_when_it_failed_is_found_in_the_log_by_the_id_that_was_told(small: Serving) -> None:
    told = predict(small, rows([])).json()["error"]["request_id"]
    assert InferenceRequest.objects.get(pk=told).error_code == "invalid"
    ours = predict(small, rows([]), **{"x-request-id": "order-2026-0042"}).json()["error"]["request_id"]
    assert InferenceRequest.objects.get(client_request_id=ours).error_code == "invalid"
    told = small.predict([1.0]).headers["x-request-id"]
    assert InferenceRequest.objects.get(pk=told).door == "v2"
    answer = predict(small, GOOD, **{"x-request-id": "order-2026-0042"}).json()
    assert InferenceRequest.objects.get(pk=answer["request_id"]).client_request_id == "order-2026-0042"
