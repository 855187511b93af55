"""Accounts, keys and sessions in the back office."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.keys import is_well_formed
from accounts.models import ApiKey, User
from accounts.roles import ROLES
from audit.models import AuditEvent
from tests.admin.making import PASSWORD, log_in, make_deployment, make_key, make_person, make_session


def actions() -> list[str]:
    events = AuditEvent.objects.exclude(action="accounts.logged_in").order_by("sequence")
    return list(events.values_list("action", flat=True))


def make_key_by_form(client: Client, **more: Any) -> Any:
    fields = {"name": "주문 앱", "scopes": ["predict"], "allowed_models": [], "lifetime": "90"} | more
    return client.post(reverse("admin:accounts_apikey_add"), fields)


@pytest.mark.django_db
def test_key_when_made_is_shown_once_and_kept_nowhere() -> None:
    make_deployment("intent")
    client = log_in("operator")
    response = make_key_by_form(client, allowed_models=["intent"])
    text = re.search(r"flm_[a-z]+_[0-9A-Za-z]+_[0-9A-Za-z]+", response.content.decode()).group()
    key = ApiKey.objects.get()
    assert is_well_formed(text)
    assert f"Bearer {text}" in response.content.decode().replace("&quot;", '"')
    assert "/api/v1/deployments/intent/predict" in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    assert (key.user.username, key.allowed_models, key.scopes) == ("the-operator", ["intent"], ["predict"])
    assert text.startswith(key.prefix)
    secret = text.rpartition("_")[2]
    shown_later = client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert secret not in shown_later + str(key.__dict__) + str(list(AuditEvent.objects.values()))
    assert actions()[-1] == "accounts.api_key_created"


@pytest.mark.django_db
def test_key_when_its_maker_may_not_choose_an_owner_is_their_own() -> None:
    other = make_person("operator", "other")
    make_key_by_form(log_in("reviewer"), user=other.pk)
    assert ApiKey.objects.get().user.username == "the-reviewer"


@pytest.mark.django_db
def test_key_when_made_by_an_administrator_can_be_somebody_elses() -> None:
    other = make_person("client", "shop")
    make_key_by_form(log_in("administrator"), user=other.pk, lifetime="")
    key = ApiKey.objects.get()
    assert (key.user, key.expires_at) == (other, None)


@pytest.mark.django_db
def test_key_when_its_name_is_refused_by_the_service_keeps_what_was_typed() -> None:
    response = make_key_by_form(log_in("operator"), name="a\u202eb")
    html = response.content.decode()
    assert response.status_code == 200
    assert "control or invisible character" in html
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_key_when_revoked_asks_for_a_reason_first() -> None:
    client = log_in("administrator")
    key = make_key(make_person("client", "shop"))
    url = reverse("admin:accounts_apikey_do", args=[key.pk, "revoke"])
    assert client.get(url).status_code == 200
    assert client.post(url, {"reason": " "}).status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is None
    assert client.post(url, {"reason": "유출됨"}).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEvent.objects.latest("sequence").reason == "유출됨"


@pytest.mark.django_db
def test_key_when_revoked_already_offers_no_revoking() -> None:
    client = log_in("administrator")
    key = make_key(make_person("client", "shop"))
    url = reverse("admin:accounts_apikey_do", args=[key.pk, "revoke"])
    client.post(url, {"reason": "x"})
    assert client.post(url, {"reason": "x"}).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["admin:accounts_apikey_do", "admin:accounts_session_do"])
def test_verb_when_the_row_is_somebody_elses_does_nothing(page: str) -> None:
    owner = make_person("client", "shop")
    key, session = make_key(owner), make_session(owner)
    target, verb = (key, "revoke") if "apikey" in page else (session, "end")
    log_in("operator").post(reverse(page, args=[target.pk, verb]), {"reason": "x"})
    key.refresh_from_db()
    session.refresh_from_db()
    assert (key.revoked_at, session.ended_at) == (None, None)


@pytest.mark.django_db
def test_verb_when_unknown_leads_back() -> None:
    key = make_key(make_person("client", "shop"))
    response = log_in("administrator").get(reverse("admin:accounts_apikey_do", args=[key.pk, "explode"]))
    assert response.status_code == 302


@pytest.mark.django_db
def test_session_when_ended_by_an_administrator_is_ended() -> None:
    session = make_session(make_person("operator", "someone"))
    url = reverse("admin:accounts_session_do", args=[session.pk, "end"])
    log_in("administrator").post(url, {"reason": "잃어버린 노트북"})
    session.refresh_from_db()
    assert session.ended_at is not None
    assert actions()[-1] == "accounts.session_ended"


def account(**more: Any) -> dict[str, Any]:
    fields = {
        "username": "minji",
        "first_name": "민지",
        "last_name": "김",
        "email": "",
        "language": "ko",
        "time_zone": "",
    }
    return {**fields, "roles": ["operator", "reviewer"], "password": PASSWORD} | more


@pytest.mark.django_db
def test_account_when_added_is_made_by_the_service() -> None:
    client = log_in("administrator")
    assert client.post(reverse("admin:accounts_user_add"), account()).status_code == 302
    user = User.objects.get(username="minji")
    assert user.check_password(PASSWORD)
    assert (user.is_staff, user.language) == (True, "ko")
    assert set(user.groups.values_list("name", flat=True)) == {"operator", "reviewer"}
    assert actions() == ["accounts.user_created"]


@pytest.mark.django_db
def test_account_when_its_password_is_weak_is_not_made() -> None:
    response = log_in("administrator").post(reverse("admin:accounts_user_add"), account(password="12345678"))
    assert response.status_code == 200
    assert not User.objects.filter(username="minji").exists()


@pytest.mark.django_db
def test_account_when_changed_writes_only_what_changed() -> None:
    user = make_person("operator", "minji")
    url = reverse("admin:accounts_user_change", args=[user.pk])
    fields = account(roles=["auditor"], first_name="", last_name="", language="", email="m@example.com")
    assert log_in("administrator").post(url, fields).status_code == 302
    user.refresh_from_db()
    assert user.email == "m@example.com"
    assert list(user.groups.values_list("name", flat=True)) == ["auditor"]
    assert actions() == ["accounts.roles_set", "accounts.user_changed"]


@pytest.mark.django_db
def test_last_administrator_when_taken_their_role_is_refused_in_the_form() -> None:
    client = log_in("administrator")
    user = User.objects.get(username="the-administrator")
    url = reverse("admin:accounts_user_change", args=[user.pk])
    response = client.post(url, account(username=user.username, first_name="새 이름", roles=["operator"]))
    assert response.status_code == 200
    assert "last administrator" in response.content.decode()
    assert "새 이름" in response.content.decode()
    user.refresh_from_db()
    assert user.first_name == ""
    assert list(user.groups.values_list("name", flat=True)) == ["administrator"]


@pytest.mark.django_db
def test_account_when_deactivated_says_what_stops() -> None:
    user = make_person("operator", "minji")
    make_key(user)
    make_session(user)
    client = log_in("administrator")
    url = reverse("admin:accounts_user_do", args=[user.pk, "deactivate"])
    assert "API keys that work" in client.get(url).content.decode()
    client.post(url, {"reason": "퇴사"})
    user.refresh_from_db()
    assert not user.is_active
    client.post(reverse("admin:accounts_user_do", args=[user.pk, "activate"]), {"reason": "복직"})
    user.refresh_from_db()
    assert user.is_active


@pytest.mark.django_db
def test_password_when_set_by_an_administrator_follows_the_rules() -> None:
    user = make_person("operator", "minji")
    client = log_in("administrator")
    url = reverse("admin:accounts_user_do", args=[user.pk, "password"])
    assert client.post(url, {"password": "1234"}).status_code == 200
    assert client.post(url, {"password": PASSWORD}).status_code == 302
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


@pytest.mark.django_db
def test_own_settings_when_saved_show_the_chosen_language_at_once() -> None:
    client, url = log_in("reviewer"), reverse("admin:accounts_user_me")
    client.post(url, {"form": "settings", "language": "ko", "time_zone": "Europe/Berlin"})
    html = client.get(url).content.decode()
    assert "내 설정" in html
    assert User.objects.get().time_zone == "Europe/Berlin"


@pytest.mark.django_db
def test_own_password_when_the_old_one_is_wrong_is_not_changed() -> None:
    client, url = log_in("reviewer"), reverse("admin:accounts_user_me")
    user = User.objects.get()
    user.set_password(PASSWORD)
    user.save()
    client.force_login(user)
    form = {"form": "password", "old_password": "wrong", "password": "새로운 비밀번호 77"}
    assert client.post(url, form).status_code == 200
    assert client.post(url, form | {"old_password": PASSWORD}).status_code == 302
    assert client.get(url).status_code == 200
    user.refresh_from_db()
    assert user.check_password("새로운 비밀번호 77")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_language_when_switched_leads_nowhere_else(address: str) -> None:
    client = log_in("reviewer")
    response = client.post(reverse("admin:accounts_user_language"), {"language": "ko", "next": address})
    assert response.headers["Location"] == reverse("admin:index")
    assert User.objects.get().language == "ko"


def test_roles_when_shown_have_an_explanation_each() -> None:
    from accounts.admin.forms import ROLE_NOTES

    assert set(ROLE_NOTES) == set(ROLES)


@pytest.mark.django_db
def test_roles_when_looked_at_say_what_they_may_and_who_has_them() -> None:
    make_person("operator", "minji")
    html = log_in("auditor").get(reverse("admin:accounts_user_roles")).content.decode()
    people = re.search(r'href="([^"]+)">1 person<', html).group(1)
    assert "minji" in log_in("administrator").get(people).content.decode()
    assert "Can choose the version that serves" in html
    assert log_in("operator").get(reverse("admin:accounts_user_roles")).status_code == 403
