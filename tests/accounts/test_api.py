"""People, keys and sessions by REST, as a client goes through them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import ApiKey, Session, User
from audit.models import AuditEvent
from notify.models import Delivery
from tests.accounts.making import PASSWORD, bearer, make_client, make_key, make_user, patch, post


@pytest.mark.django_db
def test_client_when_logging_in_refreshing_and_out_goes_through_one_session() -> None:
    make_user("operator", username="민지", password=PASSWORD)
    client = Client()
    pair = post(client, "auth/token", {"username": "민지", "password": PASSWORD, "device": "노트북"}).json()
    assert (pair["token_type"], pair["expires_in_s"]) == ("Bearer", 600)
    newer = post(client, "auth/refresh", {"refresh": pair["refresh"]}).json()
    me = client.get("/api/v1/me", headers=bearer(newer["access"])).json()
    assert (me["username"], me["roles"]) == ("민지", ["operator"])
    assert "inference.predict_deployment" in me["permissions"]
    sessions = client.get("/api/v1/sessions", headers=bearer(newer["access"])).json()["results"]
    assert [(session["device"], session["is_current"]) for session in sessions] == [("노트북", True)]
    assert post(client, "auth/logout", headers=bearer(newer["access"])).status_code == 204
    for token in (pair["access"], newer["access"]):
        answer = client.get("/api/v1/me", headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ended_session")
    assert post(client, "auth/refresh", {"refresh": newer["refresh"]}).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "minji", "password": "wrong password"}, 401),
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "minji"}, 400),
        ({"username": "minji", "password": "x" * 2000}, 400),
        ({"username": "x" * 200, "password": PASSWORD}, 400),
    ],
)
def test_log_in_when_wrong_is_refused(body: dict[str, str], status: int) -> None:
    make_user(username="minji", password=PASSWORD)
    assert post(Client(), "auth/token", body).status_code == status


@pytest.mark.django_db
def test_key_when_logging_out_is_told_that_it_has_no_session() -> None:
    _, text = make_key(make_user())
    assert post(Client(headers=bearer(text)), "auth/logout").status_code == 400


@pytest.mark.django_db
def test_person_when_changing_own_settings_changes_only_those() -> None:
    user = make_user("client", password=PASSWORD)
    client = make_client(user)
    answer = patch(
        client, "me", {"language": "en", "time_zone": "Europe/Berlin", "is_superuser": True, "roles": ["administrator"]}
    )
    assert answer.json()["time_zone"] == "Europe/Berlin"
    user.refresh_from_db()
    assert (user.language, user.is_superuser, user.groups.get().name) == ("en", False, "client")
    assert patch(client, "me", {"time_zone": "Mars/Olympus"}).json()["error"]["fields"].keys() == {"time_zone"}
    wrong = post(client, "me/password", {"old_password": "wrong", "password": "another long phrase"})
    assert wrong.json()["error"]["fields"].keys() == {"old_password"}
    assert post(client, "me/password", {"old_password": PASSWORD, "password": "another long phrase"}).status_code == 204
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["password", "address"])
def test_old_password_when_guessed_with_a_token_then_few_guesses(verb: str) -> None:
    user = make_user("client", password=PASSWORD)
    client = make_client(user)

    def guess(old: str) -> int:
        if verb == "password":
            return post(client, "me/password", {"old_password": old, "password": "another long phrase"}).status_code
        return patch(client, "me", {"old_password": old, "email": "thief@example.com"}).status_code

    assert [guess(f"guess {number}") for number in range(6)] == [400] * 5 + [429]
    assert guess(PASSWORD) == 429


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["me", "users/minji"])
def test_address_when_a_key_would_change_that_of_its_owner_then_refused(address: str) -> None:
    user = make_user("administrator", username="minji", password=PASSWORD)
    services.change_settings(user=user, actor=None, email="minji@example.com")
    key, text = make_key(user, "manage")
    for credential in (text, services.grant_application(client_id=key.prefix, client_secret=text).access):
        client = Client(headers=bearer(credential))
        answer = patch(client, address, {"email": "thief@example.com", "old_password": PASSWORD})
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (403, ["email"])
        assert patch(client, address, {"email": "minji@example.com", "first_name": "민지"}).status_code == 200
    user.refresh_from_db()
    assert (user.email, user.first_name) == ("minji@example.com", "민지")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["me", "users/minji"])
def test_address_when_changed_by_token_then_asks_the_password_and_tells_the_old_one(address: str) -> None:
    user = make_user("administrator", username="minji", password=PASSWORD)
    client = make_client(user)
    services.change_settings(user=user, actor=None, email="minji@example.com")
    for wrong in ({}, {"old_password": "wrong"}):
        answer = patch(client, address, {"email": "thief@example.com", **wrong})
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["old_password"])
    assert not Delivery.objects.exists()
    assert patch(client, address, {"email": "new@example.com", "old_password": PASSWORD}).status_code == 200
    user.refresh_from_db()
    letter = Delivery.objects.get()
    assert (user.email, letter.recipient, letter.event) == ("new@example.com", "minji@example.com", "address_changed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "limits",
    [{"allowed_models": ["intent"]}, {"expires_at": timezone.now() + timedelta(days=1)}, {"per_minute": 60},
     {"rows_per_minute": 60}],
)  # fmt: skip
def test_accounts_when_the_key_is_limited_are_neither_made_nor_changed(limits: dict[str, Any]) -> None:
    make_user("client", username="minji")
    boss = make_user("administrator")
    narrow, whole = (Client(headers=bearer(make_key(boss, "manage", **more)[1])) for more in (limits, {}))
    for client, statuses in ((narrow, [403] * 3), (whole, [201, 200, 200])):
        answers = [
            post(client, "users", {"username": "jiwoo", "roles": ["administrator"]}),
            patch(client, "users/minji", {"roles": ["administrator"]}),
            patch(client, "users/minji", {"email": "thief@example.com"}),
        ]
        assert [answer.status_code for answer in answers] == statuses
        if client is narrow:
            named = {field for answer in answers for field in answer.json()["error"]["fields"]}
            assert named == set(limits) - {"allowed_models"}
            status = 403 if "allowed_models" in limits else 200
            assert (User.objects.count(), patch(client, "users/minji", {"language": "en"}).status_code) == (2, status)


@pytest.mark.django_db
def test_account_when_a_part_of_a_change_is_refused_stays_as_it_was() -> None:
    boss = make_user("administrator", username="boss")
    answer = patch(make_client(boss), "users/boss", {"first_name": "Minji", "language": "en", "roles": []})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "last_administrator")
    boss.refresh_from_db()
    assert (boss.first_name, boss.language, boss.groups.count()) == ("", "", 1)
    assert not AuditEvent.objects.filter(action="accounts.user_changed").exists()


@pytest.mark.django_db
def test_administrator_when_ruling_people_makes_changes_and_shuts_out() -> None:
    client = make_client(make_user("administrator"))
    made = post(client, "users", {"username": "민지", "password": PASSWORD, "roles": ["reviewer"]})
    assert (made.status_code, made.json()["roles"], "password" in made.json()) == (201, ["reviewer"], False)
    assert post(client, "users", {"username": "민지"}).status_code == 400
    assert post(client, "users", {"username": "x", "roles": ["king"]}).json()["error"]["fields"].keys() == {"roles[0]"}
    answer = patch(client, "users/민지", {"roles": ["operator", "auditor"], "email": "m@example.com", "reason": "승진"})
    assert answer.json()["roles"] == ["auditor", "operator"]
    theirs = make_client(User.objects.get(username="민지"))
    assert post(client, "users/민지/deactivate", {"reason": "퇴사"}).json()["is_active"] is False
    assert theirs.get("/api/v1/me").status_code == 401
    assert post(client, "users/민지/deactivate").status_code == 409
    assert post(client, "users/민지/activate").json()["is_active"] is True
    assert theirs.get("/api/v1/me").status_code == 401


@pytest.mark.django_db
def test_key_when_made_and_revoked_by_rest_works_until_then() -> None:
    client = make_client(make_user("operator", username="minji"))
    made = post(client, "api-keys", {"name": "내 앱", "scopes": ["predict"], "allowed_models": ["intent"]})
    assert (made.status_code, made.json()["user"]) == (201, "minji")
    text, pk = made.json()["key"], made.json()["id"]
    listed = client.get("/api/v1/api-keys").json()["results"]
    assert [("key" in key, key["prefix"]) for key in listed] == [(False, text.rpartition("_")[0])]
    assert Client(headers=bearer(text)).get("/api/v1/me").json()["credential"] == listed[0]["prefix"]
    assert post(client, f"api-keys/{pk}/revoke", {"reason": "lost"}).json()["revoked_at"]
    assert post(client, f"api-keys/{pk}/revoke").status_code == 409
    assert Client(headers=bearer(text)).get("/api/v1/me").status_code == 401


@pytest.mark.django_db
def test_keys_and_sessions_of_others_when_not_ruled_are_not_there() -> None:
    other, operator = make_user("operator", username="other"), make_client(make_user("operator"))
    key, _ = make_key(other)
    make_client(other)
    session = Session.objects.get(user=other)
    assert operator.get("/api/v1/api-keys").json()["results"] == []
    assert operator.get(f"/api/v1/api-keys/{key.pk}").status_code == 404
    assert post(operator, f"api-keys/{key.pk}/revoke").status_code == 404
    assert post(operator, f"sessions/{session.pk}/end").status_code == 404
    assert post(operator, "api-keys", {"name": "x", "scopes": ["read"], "user": "other"}).status_code == 403

    ruler = make_client(make_user("administrator"))
    made = post(ruler, "api-keys", {"name": "x", "scopes": ["read"], "user": "other"})
    assert (made.status_code, made.json()["user"]) == (201, "other")
    assert post(ruler, "api-keys", {"name": "x", "scopes": ["read"], "user": "nobody"}).status_code == 400
    assert post(ruler, f"api-keys/{key.pk}/revoke").status_code == 200
    assert post(ruler, f"sessions/{session.pk}/end").json()["ended_reason"] == "ended"
    assert ApiKey.objects.live().count() == 1


@pytest.mark.django_db
def test_key_when_minting_a_wider_key_is_refused() -> None:
    _, text = make_key(make_user("administrator", username="boss"), "manage", allowed_models=["intent"])
    client = Client(headers=bearer(text))
    make_user(username="other")
    for wider in ({"user": "other", "allowed_models": ["intent"]}, {"allowed_models": []}, {"allowed_models": ["x"]}):
        assert post(client, "api-keys", {"name": "x", "scopes": ["predict"], **wider}).status_code == 403


@pytest.mark.django_db
def test_pages_of_people_when_walked_hold_each_once() -> None:
    client = make_client(make_user("administrator"))
    for _ in range(7):
        make_user()
    seen, address = [], "/api/v1/users?page_size=3"
    while address:
        page = client.get(address).json()
        seen += [user["username"] for user in page["results"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 8
