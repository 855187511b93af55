"""Every way of carrying a credential gets the same decision at `/v2` and at `/api/v1`; limits hold at both together."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from django.test import Client

from accounts import services
from inference.models import InferenceRequest
from tests.doors.api_door import predict
from tests.inference.serving import Serving

pytestmark = pytest.mark.django_db(transaction=True)

V2 = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
V1 = {"inputs": {"x": [[1, 2, 3, 4]]}}


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


def carriers(served: Serving) -> dict[str, tuple[dict[str, str], int]]:
    """Give what is sent, and the status that every door must give."""
    key, jwt = served.key, services.open_session(user=served.user).access
    ended = services.open_session(user=served.user)
    services.end_session(session=ended.session, actor=served.user)
    _narrow, narrow_text = services.create_api_key(name="n", user=served.user, scopes=["read"], actor=None)
    other = services.create_api_key(name="o", user=served.user, scopes=["predict"], actor=None)[1]
    revoked, revoked_text = services.create_api_key(name="r", user=served.user, scopes=["predict"], actor=None)
    services.revoke_api_key(key=revoked, actor=None)
    rotated, old = services.create_api_key(name="t", user=served.user, scopes=["predict"], actor=None)
    new = services.rotate_api_key(key=rotated, actor=None)[1]
    grant = services.grant_application(client_id=new.rpartition("_")[0], client_secret=new)
    cookie = Client()
    cookie.force_login(served.user)
    return {
        "bearer key": ({"authorization": f"Bearer {key}"}, 200),
        "bearer token": ({"authorization": f"Bearer {jwt}"}, 200),
        "bearer token of an application": ({"authorization": f"Bearer {grant.access}"}, 200),
        "api-key": ({"authorization": f"Api-Key {key}"}, 200),
        "x-api-key": ({"x-api-key": key}, 200),
        "x-api-key with a token": ({"x-api-key": jwt}, 200),
        "basic password": ({"authorization": basic(f"anything:{key}")}, 200),
        "basic name": ({"authorization": basic(f"{key}:")}, 200),
        "new secret": ({"x-api-key": new}, 200),
        "old secret": ({"x-api-key": old}, 200),
        "the same twice": ({"authorization": f"Bearer {key}", "x-api-key": key}, 200),
        "two that differ": ({"authorization": f"Bearer {key}", "x-api-key": other}, 401),
        "one good, one bad": ({"authorization": f"Bearer {key}", "x-api-key": "flm_x"}, 401),
        "none": ({}, 401),
        "only a cookie": ({"cookie": f"sessionid={cookie.cookies['sessionid'].value}"}, 401),
        "key in the address": ({"x-other": key}, 401),
        "revoked": ({"x-api-key": revoked_text}, 401),
        "ended session": ({"authorization": f"Bearer {ended.access}"}, 401),
        "refresh token": ({"authorization": f"Bearer {ended.refresh}"}, 401),
        "name and password": ({"authorization": basic("admin:password")}, 401),
        "other scope": ({"x-api-key": narrow_text}, 403),
        "unknown scheme": ({"authorization": f"Token {key}"}, 401),
    }


def test_credential_when_carried_in_any_way_gets_the_same_decision_at_every_door(small: Serving) -> None:
    wrong = {}
    for name, (headers, wanted) in carriers(small).items():
        gateway = small.call("/v2/models/small/infer", V2, key="", **headers)
        rest = Client().post(
            "/api/v1/deployments/small/predict?key=x", V1, content_type="application/json", headers=headers
        )
        if (gateway.status, rest.status_code) != (wanted, wanted):
            wrong[name] = gateway.status, gateway.body, rest.status_code, rest.content
        elif wanted == 401 and rest.json()["error"]["code"] != gateway.headers["x-error-code"]:
            wrong[name] = gateway.headers["x-error-code"], rest.json()["error"]["code"]
    assert wrong == {}


def test_limit_of_a_key_when_used_up_is_used_up_at_every_door_in_its_own_shape(small: Serving) -> None:
    _key, text = services.create_api_key(
        name="limited", user=small.user, scopes=["predict"], per_minute=6, burst=4, actor=None
    )
    statuses: list[Any] = []
    for _ in range(2):
        statuses.append(small.call("/v2/models/small/infer", V2, key=text).status)
        statuses.append(predict(small, V1, **{"x-api-key": text}).status_code)
    assert statuses == [200] * 4
    kept = InferenceRequest.objects.count()
    gateway = small.call("/v2/models/small/infer", V2, key=text)
    rest = predict(small, V1, **{"x-api-key": text, "accept-language": "en"})
    assert (gateway.status, rest.status_code) == (429, 429)
    assert gateway.data == {"error": rest.json()["error"]["message"]}
    assert rest.json()["error"]["code"] == gateway.headers["x-error-code"] == "rate_limited"
    for headers in (gateway.headers, {name.lower(): value for name, value in rest.headers.items()}):
        assert 1 <= int(headers["retry-after"]) <= 10
        assert headers["ratelimit-policy"] == '"default";q=6;w=60'
        assert headers["ratelimit"] == f'"default";r=0;t={headers["retry-after"]}'
    assert InferenceRequest.objects.count() == kept
    assert small.call("/v2/models/small/infer", V2).status == 200, "other keys go on"


def test_rows_of_a_key_when_counted_are_told_at_every_door_and_used_up_together(small: Serving) -> None:
    _key, text = services.create_api_key(
        name="rows", user=small.user, scopes=["predict"], per_minute=1, burst=30, rows_per_minute=6, actor=None
    )
    two = {"inputs": {"x": [[1, 2, 3, 4]] * 2}}
    gateway = small.call("/v2/models/small/infer", V2, key=text)
    rest = predict(small, two, **{"x-api-key": text})
    assert (gateway.status, rest.status_code) == (200, 200)
    assert gateway.headers["ratelimit-policy"] == '"default";q=1;w=60, "rows";q=6;w=60'
    assert gateway.headers["ratelimit"] == '"default";r=29;t=60, "rows";r=5;t=10'
    assert rest["RateLimit"].startswith('"default";r=28;t=')
    assert '"rows";r=3;t=' in rest["RateLimit"], "one comes back in ten seconds"
    kept = InferenceRequest.objects.count()
    over = predict(small, {"inputs": {"x": [[1, 2, 3, 4]] * 6}}, **{"x-api-key": text})
    assert (over.status_code, over.json()["error"]["code"]) == (429, "rate_limited")
    assert over["RateLimit"].startswith('"rows";r=')
    assert InferenceRequest.objects.count() == kept
    assert predict(small, two, **{"x-api-key": text}).status_code == 200, "fewer rows still fit"
    never = predict(small, {"inputs": {"x": [[1, 2, 3, 4]] * 7}}, **{"x-api-key": text})
    assert (never.status_code, never.json()["error"]["code"]) == (400, "too_many_rows")
    assert small.call("/v2/models/small/infer", V2).headers.get("ratelimit") is None


def test_address_when_calling_without_credential_too_often_is_refused(settings: Any) -> None:
    from guards.limits import Limit

    settings.ANONYMOUS_LIMIT = Limit(1, 3)
    answers = [
        Client(REMOTE_ADDR="203.0.113.9").post(
            "/api/v1/auth/refresh", {"refresh": "x"}, content_type="application/json"
        )
        for _ in range(4)
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[-1].headers["RateLimit"].startswith('"default";r=0;t=')
