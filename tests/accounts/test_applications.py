"""Tokens of applications, by the address that OAuth 2 clients use."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.credentials import Caller, FreshFacts, identify, load_directory
from accounts.models import ApiKey
from accounts.services.signing import signing_key
from accounts.tokens import sign
from common.errors import NotAuthenticated
from guards.limits import Limit
from tests.accounts.making import bearer, make_key, make_user, post

FORM = "application/x-www-form-urlencoded"


def ask(body: dict[str, Any] | str, *, basic: tuple[str, str] | None = None, **more: Any) -> Any:
    """Ask for a token as a client does."""
    headers = {"Authorization": "Basic " + b64encode(":".join(basic).encode()).decode()} if basic else {}
    text = body if isinstance(body, str) else urlencode(body)
    return Client(headers=headers).post("/oauth/token", text, **{"content_type": FORM, **more})


def caller_of(token: str) -> Caller:
    """Ask memory and database, which must say the same."""
    headers = {b"authorization": f"Bearer {token}".encode()}
    known = identify(headers, FreshFacts())
    assert identify(headers, load_directory()) == known
    return known


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["basic", "body"])
def test_application_when_asking_by_basic_or_body_gets_what_its_key_may(way: str) -> None:
    key, text = make_key(make_user("operator"), "predict", "read", allowed_models=["intent"])
    body = {"grant_type": "client_credentials"}
    credentials = {"client_id": key.prefix, "client_secret": text}
    response = ask(body, basic=(key.prefix, text)) if way == "basic" else ask({**body, **credentials})
    answer = response.json()
    assert response.status_code == 200
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 600, "predict read")
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")
    assert caller_of(answer["access_token"]) == caller_of(text)
    key.refresh_from_db()
    assert key.last_used_at


@pytest.mark.django_db
def test_application_when_asking_for_less_gets_less_and_never_more() -> None:
    user = make_user("operator")
    key, text = make_key(user, "manage")
    basic, body = (key.prefix, text), {"grant_type": "client_credentials"}
    token = ask({**body, "scope": "predict"}, basic=basic).json()["access_token"]
    caller = caller_of(token)
    assert (caller.scopes, caller.key_id) == ({"predict"}, key.pk.hex)
    assert (caller.may("inference.predict_deployment"), caller.may("accounts.add_apikey")) == (True, False)
    assert post(Client(headers=bearer(token)), "api-keys", {"name": "x", "scopes": ["manage"]}).status_code == 403
    narrow, narrow_text = make_key(user, "predict")
    for scope in ("manage", "predict manage", "king", "Predict"):
        answer = ask({**body, "scope": scope}, basic=(narrow.prefix, narrow_text))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["revoked", "expired", "deactivated"])
def test_token_of_an_application_when_its_key_ends_is_refused(end: str) -> None:
    user = make_user("operator")
    key, text = make_key(user, "predict", expires_at=timezone.now() + timedelta(hours=1))
    token = ask({"grant_type": "client_credentials"}, basic=(key.prefix, text)).json()["access_token"]
    caller_of(token)
    if end == "revoked":
        services.revoke_api_key(key=key, actor=user)
    elif end == "expired":
        ApiKey.objects.update(expires_at=timezone.now())
    else:
        services.deactivate_user(user=user, actor=None)
    for facts in (load_directory(), FreshFacts()):
        with pytest.raises(NotAuthenticated) as caught:
            identify({b"authorization": f"Bearer {token}".encode()}, facts)
        assert caught.value.code == "unknown_client"
    answer = ask({"grant_type": "client_credentials"}, basic=(key.prefix, text))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.django_db
def test_token_of_an_application_when_its_key_ends_sooner_ends_with_it() -> None:
    key, text = make_key(make_user(), "predict", expires_at=timezone.now() + timedelta(seconds=30))
    answer = ask({"grant_type": "client_credentials"}, basic=(key.prefix, text)).json()
    assert 25 <= answer["expires_in"] <= 30
    assert time.time() + answer["expires_in"] <= key.expires_at.timestamp() + 1


@pytest.mark.django_db
def test_token_of_an_application_when_got_by_the_old_secret_then_noted_and_ends_with_it() -> None:
    user = make_user("operator")
    key, old = make_key(user, "predict", "read")
    key, _new = services.rotate_api_key(key=key, actor=user, keep_old_for=timedelta(seconds=90))
    answer = ask({"grant_type": "client_credentials"}, basic=(key.prefix, old)).json()
    key.refresh_from_db()
    assert (key.old_used_at is not None, key.last_used_at) == (True, None)
    assert 80 <= answer["expires_in"] <= 90
    assert caller_of(answer["access_token"]).has_old_secret
    ApiKey.objects.update(old_until=timezone.now() - timedelta(seconds=1))
    assert _refusals(answer["access_token"]) == ["unknown_client"] * 2


@pytest.mark.django_db
def test_token_of_an_application_when_its_secret_is_ended_at_once_is_refused() -> None:
    user = make_user("operator")
    key, old = make_key(user, "predict", "read")
    grant = {"grant_type": "client_credentials"}
    tokens = [
        ask({**grant, **more}, basic=(key.prefix, old)).json()["access_token"] for more in ({}, {"scope": "read"})
    ]
    key, new = services.rotate_api_key(key=key, actor=user, keep_old_for=timedelta(0))
    assert [_refusals(token) for token in tokens] == [["unknown_client"] * 2] * 2
    token = ask(grant, basic=(key.prefix, new)).json()["access_token"]
    assert caller_of(token) == caller_of(new)
    services.rotate_api_key(key=key, actor=user)
    assert caller_of(token).has_old_secret, "works on while its secret does"


def _refusals(token: str) -> list[str]:
    """Give the codes with which memory and database refuse a token."""
    codes = []
    for facts in (load_directory(), FreshFacts()):
        with pytest.raises(NotAuthenticated) as caught:
            identify({b"authorization": f"Bearer {token}".encode()}, facts)
        codes.append(caught.value.code)
    return codes


@pytest.mark.django_db
def test_client_when_wrong_in_any_way_gets_the_error_of_the_standard() -> None:
    key, text = make_key(make_user("operator"), "predict")
    other, other_text = make_key(make_user("operator"), "predict")
    grant, mine = "grant_type=client_credentials", {"client_id": key.prefix, "client_secret": text}
    wrong = [
        ("x=1", None, 401, "invalid_client"),
        (grant, (key.prefix, "wrong"), 401, "invalid_client"),
        (grant, (key.prefix, other_text), 401, "invalid_client"),
        (grant, (other.prefix, text), 401, "invalid_client"),
        (grant, (key.prefix, key.prefix), 401, "invalid_client"),
        (grant, (key.prefix, text[:-1] + ("a" if text[-1] != "a" else "b")), 401, "invalid_client"),
        (grant, ("", ""), 401, "invalid_client"),
        (grant, (f"{key.prefix}\0", text), 401, "invalid_client"),
        (f"{grant}&client_id={other.prefix}", (key.prefix, text), 401, "invalid_client"),
        (f"{grant}&client_secret={text}", (key.prefix, text), 400, "invalid_request"),
        (f"{grant}&{grant}", (key.prefix, text), 400, "invalid_request"),
        (f"{grant}&scope=read&scope=manage", (key.prefix, text), 400, "invalid_request"),
        ("scope=predict", (key.prefix, text), 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", (key.prefix, text), 400, "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=x", (key.prefix, text), 400, "unsupported_grant_type"),
        (f"{grant}&x=%ff", (key.prefix, text), 400, "invalid_request"),
        ("&".join(f"a{n}=1" for n in range(100)), (key.prefix, text), 400, "invalid_request"),
        ("x=" + "1" * 20_000, (key.prefix, text), 413, "invalid_request"),
        (urlencode({**mine, "grant_type": ""}), None, 400, "invalid_request"),
    ]
    for body, basic, status, code in wrong:
        answer = ask(body, basic=basic)
        assert (answer.status_code, answer.json()["error"]) == (status, code), (body[:60], basic)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "access_token" not in answer.json()


@pytest.mark.django_db
def test_client_when_it_sends_credentials_where_they_are_logged_is_refused() -> None:
    key, text = make_key(make_user(), "predict")
    query = urlencode({"grant_type": "client_credentials", "client_id": key.prefix, "client_secret": text})
    assert Client().get(f"/oauth/token?{query}").status_code == 405
    assert Client().post(f"/oauth/token?{query}", content_type=FORM).status_code == 400
    as_json = ask('{"grant_type": "client_credentials"}', basic=(key.prefix, text), content_type="application/json")
    assert as_json.json()["error"] == "invalid_request"
    for header in ("Basic !!", "Basic", "Bearer " + text, "Basic " + b64encode(b"\xff:\xff").decode()):
        response = Client(headers={"Authorization": header}).post(
            "/oauth/token", "grant_type=client_credentials", content_type=FORM
        )
        assert response.status_code == 401


@pytest.mark.django_db
def test_token_of_an_application_when_its_claims_are_mixed_is_refused() -> None:
    user, other = make_user("operator"), make_user("administrator")
    key, text = make_key(user, "predict")
    session = services.open_session(user=user).session
    signer, hour = signing_key(), timedelta(hours=1)
    stranger, _said = sign(signer, "access", lifetime=hour, user_id=other.pk, client_id=key.prefix, scope="manage")
    with pytest.raises(ValueError, match="session or of an application"):
        sign(signer, "access", lifetime=hour, user_id=user.pk, client_id=key.prefix, sid=session.pk.hex)
    wider, _said = sign(signer, "access", lifetime=hour, user_id=user.pk, client_id=key.prefix, scope="manage king")
    as_refresh, _said = sign(signer, "refresh", lifetime=hour, user_id=user.pk, client_id=key.prefix, scope="predict")
    with pytest.raises(NotAuthenticated):
        caller_of(stranger)
    assert caller_of(wider).permissions <= caller_of(text).permissions
    with pytest.raises(NotAuthenticated):
        services.refresh(token=as_refresh)


def test_metadata_when_read_leads_to_the_addresses_that_answer() -> None:
    answer = Client().get("/.well-known/oauth-authorization-server").json()
    assert answer["token_endpoint"].endswith("/oauth/token")
    assert answer["jwks_uri"].endswith("/.well-known/jwks.json")
    assert answer["grant_types_supported"] == ["client_credentials"]
    # The request's own host is not believed: a shared cache would keep what an attacker made it say.
    assert "evil" not in Client().get("/.well-known/oauth-authorization-server", headers={"host": "evil.test"}).text


@pytest.mark.django_db
def test_application_when_an_address_asks_too_often_is_told_when_to_come_again(settings: Any) -> None:
    settings.ANONYMOUS_LIMIT = Limit(1, 3)
    key, text = make_key(make_user("operator"), "predict")
    wrong = {"grant_type": "client_credentials", "client_id": "flm_x", "client_secret": "flm_x"}
    answers = [ask(wrong, REMOTE_ADDR="203.0.113.10") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].headers["RateLimit"].startswith('"default";r=0;t=')
    right = {"grant_type": "client_credentials", "client_id": key.prefix, "client_secret": text}
    assert ask(right, REMOTE_ADDR="203.0.113.11").status_code == 200, "other addresses go on"
