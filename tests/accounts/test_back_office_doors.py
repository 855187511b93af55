"""The doors into the back office: log-in, its second step, forgotten passwords."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import SecondFactor, Session, User
from common.sealing import unseal
from guards.models import RateBucket
from jobs.models import Job
from notify.models import Delivery
from tests.accounts.making import PASSWORD, make_user, post
from tests.accounts.test_entry import code_of, with_factor

pytestmark = pytest.mark.django_db
LOGIN, CODE, FACTOR = "/admin/login/", "/admin/login/code/", "/admin/accounts/user/second-factor/"


def log_in(client: Client, user: User, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"username": user.username, "password": password, **more})


def is_in(client: Client) -> bool:
    return client.get("/admin/accounts/user/me/").status_code == 200


def test_log_in_when_the_password_is_right_leads_on_and_only_within_this_site() -> None:
    user = make_user("operator", password=PASSWORD)
    client = Client()
    assert log_in(client, user, "wrong").status_code == 200
    assert not is_in(client)
    assert log_in(client, user, next="/admin/jobs/job/").headers["Location"] == "/admin/jobs/job/"
    assert is_in(client)
    assert log_in(Client(), user, next="https://evil.example/").headers["Location"] != "https://evil.example/"


def test_log_in_when_locked_out_says_so_in_korean_with_429_and_the_token_path_too() -> None:
    user = make_user("operator", username="minji", password=PASSWORD)
    for _ in range(5):
        log_in(Client(headers={"Accept-Language": "ko"}), user, "wrong")
    answer = log_in(Client(headers={"Accept-Language": "ko"}), user)
    assert answer.status_code == 429
    assert "로그인에 여러 번 실패" in answer.content.decode()
    assert post(Client(), "auth/token", {"username": "minji", "password": PASSWORD}).status_code == 429
    boss = Client()
    boss.force_login(make_user("administrator"))
    address = reverse("admin:accounts_user_do", args=[user.pk, "unlock"])
    assert boss.post(address, {"reason": "called me"}).status_code == 302
    assert log_in(Client(), user).status_code == 302


def test_second_factor_when_in_force_stands_between_password_and_log_in() -> None:
    user, codes = with_factor("operator")
    client = Client()
    assert log_in(client, user, next="/admin/jobs/job/").headers["Location"] == CODE
    assert not is_in(client)
    assert not Session.objects.filter(user=user, kind="browser", ended_at=None).exists()
    assert client.post(CODE, {"code": "000000"}).status_code == 200
    assert not is_in(client)
    before = client.cookies["sessionid"].value
    assert client.post(CODE, {"code": code_of(user)}).headers["Location"] == "/admin/jobs/job/"
    assert is_in(client)
    assert client.cookies["sessionid"].value != before
    again = Client()
    log_in(again, user)
    assert again.post(CODE, {"code": code_of(user)}).status_code == 200, "a used code opens nothing"
    assert again.post(CODE, {"code": codes[0]}).status_code == 302


def test_second_step_when_there_was_no_first_or_it_is_old_or_the_password_changed_leads_back() -> None:
    user, codes = with_factor("operator")
    assert Client().get(CODE).headers["Location"] == LOGIN
    client = Client()
    log_in(client, user)
    session = client.session
    session["second_factor_step"] = {**session["second_factor_step"], "until": time.time() - 1}
    session.save()
    assert client.post(CODE, {"code": codes[0]}).headers["Location"] == LOGIN
    log_in(client, user)
    services.change_password(user=user, password="another long phrase", actor=None)
    assert client.post(CODE, {"code": codes[0]}).headers["Location"] == LOGIN
    assert not is_in(client)


def test_person_when_setting_up_a_second_factor_gets_recovery_codes_once() -> None:
    user = make_user("operator", password=PASSWORD)
    client, other = Client(), Client()
    log_in(client, user)
    log_in(other, user)
    page = client.get(FACTOR)
    assert "data:image/svg+xml;base64," in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    assert client.post(FACTOR, {"verb": "confirm", "code": "000000"}).status_code == 200
    assert not services.has_second_factor(user)
    done = client.post(FACTOR, {"verb": "confirm", "code": code_of(user)}).content.decode()
    codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", done)
    assert len(codes) == 10
    assert is_in(client)
    assert not is_in(other)
    shown = client.get(FACTOR).content.decode()
    assert codes[0] not in shown
    assert unseal(SecondFactor.objects.get().secret) not in shown.replace(" ", "")
    RateBucket.objects.all().delete()
    assert client.post(FACTOR, {"verb": "remove", "code": "000000"}).status_code == 200
    assert services.has_second_factor(user)
    assert client.post(FACTOR, {"verb": "remove", "code": codes[1]}).status_code == 200
    assert not services.has_second_factor(user)


def test_second_factor_when_demanded_leads_everybody_without_one_to_set_it_up(settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ["staff"]
    user = make_user("operator", password=PASSWORD)
    client = Client()
    log_in(client, user)
    for page in ("/admin/", "/admin/accounts/user/me/", "/admin/jobs/job/"):
        assert client.get(page).headers["Location"] == FACTOR
    assert client.get(FACTOR).status_code == 200
    client.post(FACTOR, {"verb": "confirm", "code": code_of(user)})
    assert is_in(client)


def test_administrator_when_resetting_a_second_factor_gives_a_reason_and_others_may_not() -> None:
    user, _ = with_factor("operator")
    address = reverse("admin:accounts_user_do", args=[user.pk, "reset_second_factor"])
    client = Client()
    client.force_login(make_user("auditor"))
    assert client.post(address, {"reason": "x"}).status_code == 403
    client.force_login(make_user("administrator"))
    client.post(address, {})
    assert services.has_second_factor(user)
    client.post(address, {"reason": "phone lost"})
    assert not services.has_second_factor(user)


def ask(email: str) -> tuple[int, str]:
    page = Client().post("/admin/password-reset/", {"email": email})
    return page.status_code, re.sub(r'csrf\w*" value="\w+"', "", page.content.decode())


def run_jobs() -> None:
    for job in Job.objects.filter(kind="accounts.send_password_link", state="queued"):
        services.send_password_links(**job.payload)
        job.delete()


def link() -> str:
    return re.findall(r"http\S+/admin/(password-reset/\S+?)\)", unseal(Delivery.objects.get().letter))[0]


def test_forgotten_password_when_asked_for_is_answered_alike_and_kept_sealed() -> None:
    make_user("operator", password=PASSWORD, username="minji")
    User.objects.update(email="minji@example.com")
    known, unknown = ask("minji@example.com"), ask("nobody@example.com")
    assert known == unknown
    assert "example.com" not in str(list(Job.objects.values()))
    run_jobs()
    assert Delivery.objects.get().recipient == "minji@example.com"


def test_link_when_followed_sets_the_password_once_ends_all_sessions_and_asks_for_the_second_factor() -> None:
    user, _ = with_factor("operator")
    User.objects.update(email="minji@example.com")
    pair = services.open_session(user=user)
    ask("MINJI@example.com")
    run_jobs()
    client = Client()
    first = client.get(f"/admin/{link()}", follow=True)
    form = first.redirect_chain[-1][0]
    assert link().split("/")[-2] not in first.content.decode()
    assert client.post(form, {"password": "short"}).status_code == 200
    assert client.post(form, {"password": "another long phrase"}).headers["Location"] == LOGIN
    pair.session.refresh_from_db()
    assert pair.session.ended_reason == "password"
    assert log_in(Client(), user).status_code == 200
    assert log_in(Client(), user, "another long phrase").headers["Location"] == CODE
    again = Client().get(f"/admin/{link()}", follow=True).content.decode()
    assert 'name="password"' not in again


def test_link_when_the_person_cannot_log_in_by_password_is_not_sent_and_no_more_than_three_are() -> None:
    gone, app = make_user(password=PASSWORD), make_user()
    User.objects.update(email="same@example.com")
    services.deactivate_user(user=gone, actor=None)
    ask("same@example.com")
    run_jobs()
    assert not Delivery.objects.exists()
    User.objects.filter(pk=app.pk).update(email="")
    services.activate_user(user=gone, actor=None)
    for _ in range(5):
        ask("same@example.com")
    run_jobs()
    assert Delivery.objects.count() == 2
