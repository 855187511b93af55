"""Foreign protocols answer in English whoever reads it; our own API answers in the language of the reader."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client
from django.test.utils import override_settings

from accounts import services
from common.api.errors import told_at
from common.gathering import TooSlow
from common.wording import language_asked
from guards.limits import Limit
from tests.accounts.making import make_client, make_user
from tests.doors.api_door import HANGUL, predict
from tests.inference.serving import Serving
from tests.mlflow.calls import make_caller

KOREAN = {"accept-language": "ko"}
SHORT = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}


@pytest.mark.django_db(transaction=True)
def test_open_inference_when_it_refuses_a_korean_then_in_english(small: Serving) -> None:
    _key, few = services.create_api_key(
        name="few", user=small.user, scopes=["predict"], per_minute=1, burst=1, rows_per_minute=1, actor=None
    )
    two = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [1] * 8}]}
    infer, load = "/v2/models/small/infer", "/v2/repository/models/small/load"
    calls: list[tuple[str, Any, dict[str, Any]]] = [
        (infer, SHORT, {}),
        (infer, b"{", {}),
        (infer, {}, {}),
        (infer, GOOD, {"key": ""}),
        (infer, GOOD, {"key": "flm_x"}),
        (infer, GOOD, {"x_flueman_feedback": "nonsense"}),
        (infer, GOOD, {"x_flueman_feedback": "token; end-user=" + "x" * 500}),
        (infer, two, {"key": few}),
        ("/v2/models/none/infer", GOOD, {}),
        ("/v2/models/small/versions/9/infer", GOOD, {}),
        ("/v2/nowhere", None, {}),
        ("/v2/logging", None, {}),
        (load, {"parameters": 1}, {}),
    ]
    replies = [small.call(path, body, **more, **KOREAN) for path, body, more in calls]
    replies += [small.call(infer, GOOD, key=few, **KOREAN) for _ in range(3)][1:]
    for reply in replies:
        assert reply.status >= 400, reply
        assert not HANGUL.search(reply.data["error"]), reply
    assert replies[-1].status == 429


@pytest.mark.django_db(transaction=True)
def test_prediction_when_refused_then_in_the_language_of_the_reader(small: Serving) -> None:
    body = {"inputs": {"x": [[1, 2, 3]]}}
    told = {
        language: predict(small, body, **{"accept-language": language}).json()["error"] for language in ("ko", "en")
    }
    assert told["ko"]["message"] == "x: 형태 [1, 3]이(가) [-1, 4]에 맞지 않습니다"
    assert told["en"]["message"] == "x: shape [1, 3] does not fit [-1, 4]"
    assert told["ko"]["code"] == told["en"]["code"] == "invalid"


@pytest.mark.django_db
def test_mlflow_when_it_refuses_a_korean_then_in_english(settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    caller = make_caller()
    headers = {"authorization": f"Bearer {caller.key}", **KOREAN}
    artifacts = "/api/2.0/mlflow-artifacts/artifacts/"
    client = Client(headers=headers)
    answers = [
        client.post("/api/2.0/mlflow/registered-models/create", b"[" * 100, content_type="application/json"),
        client.post("/api/2.0/mlflow/registered-models/create", {"name": "a/b"}, content_type="application/json"),
        client.put(f"{artifacts}m/file.bin", b"x" * 11, content_type="application/octet-stream"),
        client.put(f"{artifacts}../file.bin", b"x", content_type="application/octet-stream"),
        client.get(f"{artifacts}m/none.bin"),
        Client(headers=KOREAN).get(f"{artifacts}m/none.bin"),
    ]
    for answer in answers:
        assert answer.status_code >= 400, answer.content
        assert answer.json()["message"].isascii(), answer.content


@pytest.mark.django_db
def test_oauth_when_it_refuses_a_korean_then_in_ascii_as_the_standard_says() -> None:
    asked: list[dict[str, str]] = [
        {},
        {"grant_type": "password"},
        {"grant_type": "client_credentials", "client_id": "flm_x", "client_secret": "x"},
    ]
    with override_settings(ANONYMOUS_LIMIT=Limit(per_minute=3, burst=3)):
        for fields in (*asked, *asked):
            answer = Client(headers=KOREAN).post(
                "/oauth/token", "&".join(f"{k}={v}" for k, v in fields.items()), "application/x-www-form-urlencoded"
            )
            assert answer.status_code >= 400
            assert answer.json()["error_description"].isascii(), answer.content
    assert answer.status_code == 429


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://a.example/", "시작해야"),
        ("http://name:word@a.example/", "비밀번호를 넣을 수 없습니다"),
        ("http://127.0.0.1/", "내부 주소"),
        ("http://a.example:22/", "22번 포트"),
    ],
)
def test_address_when_it_may_not_be_opened_then_korean_at_the_api_and_on_the_page(url: str, said: str) -> None:
    client = make_client(make_user("administrator"))
    body = {"name": "there", "base_url": url}
    answer = client.post("/api/v1/servers", body, content_type="application/json", headers=KOREAN)
    assert (answer.status_code, said in str(answer.json())) == (400, True), answer.json()
    page = Client(headers=KOREAN)
    page.force_login(make_user("administrator"))
    shown = page.post("/admin/inference/remoteserver/add/", {**body, "timeout_s": "10", "header": "bearer"})
    assert shown.status_code == 200
    assert said in shown.content.decode()


@pytest.mark.parametrize(
    ("header", "language"), [("", "ko"), ("en", "en"), ("en-GB,ko;q=0.5", "en"), ("fr,en;q=0.3", "en"), ("\xff", "ko")]
)
def test_language_when_asked_for_then_the_first_that_we_speak(header: str, language: str) -> None:
    assert language_asked(header) == language


def test_body_when_it_does_not_come_then_told_in_the_language_of_the_reader_or_of_the_protocol() -> None:
    late = TooSlow("the body did not come in time")
    told = {
        (path, accept): orjson.loads(told_at(path, late, accept).content)
        for path in ("/api/v1/models", "/api/2.0/mlflow/registered-models/create")
        for accept in ("ko", "en")
    }
    assert [HANGUL.search(str(answer)) is not None for answer in told.values()] == [True, False, False, False]
