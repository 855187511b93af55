"""The way in with a name and password: limits, lock-out, second factor, alike at every door."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from accounts import services
from accounts.models import SecondFactor, User
from audit.models import AuditEvent
from common.errors import Conflict, FluemanError, Invalid, NotAuthenticated, TooMany
from common.sealing import unseal
from guards.limits import Limit
from guards.models import RateBucket
from tests.accounts.making import PASSWORD, make_user, post

pytestmark = pytest.mark.django_db


def token(username: str, password: str = PASSWORD, address: str = "203.0.113.7", **more: Any) -> Any:
    return post(Client(REMOTE_ADDR=address), "auth/token", {"username": username, "password": password, **more})


def code_of(user: User, *, step: int = 0) -> str:
    """Give the code that the person's app shows, or showed `step` steps from now."""
    totp = TOTP(base64.b32decode(unseal(SecondFactor.objects.get(user=user).secret)), drift=step)
    return f"{totp.token():06d}"


def with_factor(*roles: str, **details: Any) -> tuple[User, list[str]]:
    user = make_user(*roles, password=PASSWORD, **details)
    services.begin_second_factor(user=user)
    codes = services.confirm_second_factor(user=user, code=code_of(user, step=-1))
    RateBucket.objects.all().delete()
    return user, codes


def refusal_of(**given: Any) -> FluemanError:
    with pytest.raises(FluemanError) as caught:
        services.log_in(**{"password": PASSWORD, **given})
    return caught.value


def test_name_when_it_failed_often_is_locked_out_with_429_whether_anybody_has_it_or_not() -> None:
    make_user(username="minji", password=PASSWORD)
    told = {}
    for name in ("minji", "nobody"):
        answers = [token(name, "wrong") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        error = answers[-1].json()["error"]
        assert error["code"] == "locked_out"
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 900
        told[name] = [(answer.status_code, answer.json()["error"]["message"]) for answer in answers]
    assert told["minji"] == told["nobody"]
    assert token("minji").status_code == 429, "the right password must not open a lock"
    assert token("minji", address="203.0.113.8").status_code == 200, "others lock out nobody elsewhere"


def test_lock_when_its_time_is_over_or_an_operator_lifts_it_is_gone() -> None:
    user, boss = make_user(username="minji", password=PASSWORD), make_user("administrator")
    for _ in range(5):
        token("minji", "wrong")
    assert token("minji").status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert token("minji").status_code == 200
    for _ in range(5):
        token("minji", "wrong")
    services.unlock_user(user=user, actor=boss, reason="called me")
    assert token("minji").status_code == 200
    assert AuditEvent.objects.get(action="accounts.user_unlocked").outcome == "done"
    with pytest.raises(Conflict):
        services.unlock_user(user=user, actor=boss)


def test_failures_when_the_password_is_right_at_last_are_forgotten() -> None:
    make_user(username="minji", password=PASSWORD)
    for _ in range(3):
        for _ in range(4):
            token("minji", "wrong")
        RateBucket.objects.all().delete()
        assert token("minji").status_code == 200


def test_lock_out_when_it_keeps_names_keeps_none_in_clear() -> None:
    token("my secret password", "wrong")
    kept = str(list(AccessAttempt.objects.values()))
    assert "my secret" not in kept
    assert "wrong" not in kept


def test_lock_out_when_a_client_varies_its_headers_counts_on() -> None:
    make_user(username="minji", password=PASSWORD)
    statuses = []
    for number in range(6):
        client = Client(REMOTE_ADDR="203.0.113.7", headers={
            "User-Agent": f"agent {number}", "X-Forwarded-For": f"198.51.100.{number}"})  # fmt: skip
        statuses.append(post(client, "auth/token", {"username": "minji", "password": "wrong"}).status_code)
    assert statuses == [401] * 5 + [429]


def test_log_ins_when_too_many_from_an_address_are_refused_before_a_password_is_hashed(settings: Any) -> None:
    settings.LOGIN_LIMIT = Limit(1, 3)
    answers = [token(f"name{number}", "wrong") for number in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert answers[-1].headers["RateLimit-Policy"] == '"default";q=1;w=60'
    assert token("name", "wrong", address="203.0.113.8").status_code == 401


def test_unknown_name_when_tried_takes_as_long_as_a_wrong_password() -> None:
    make_user(username="minji", password=PASSWORD)
    token("warm up", "wrong")
    times: dict[str, list[float]] = {"minji": [], "nobody": []}
    for number in range(4):
        for name, taken in times.items():
            started = time.process_time()
            token(name, "wrong", address=f"203.0.113.{number}")
            taken.append(time.process_time() - started)
    known, unknown = min(times["minji"]), min(times["nobody"])
    assert 0.5 < unknown / known < 2


def test_second_factor_when_in_force_is_asked_for_by_the_token_path() -> None:
    user, _ = with_factor(username="minji")
    answer = token("minji")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "otp_required")
    assert token("minji", otp="000000").json()["error"]["code"] == "wrong_code"
    assert token("minji", otp=code_of(user)).status_code == 200
    assert token("minji", "wrong", otp=code_of(user)).json()["error"]["code"] == "wrong_credentials"


def test_code_when_used_is_refused_the_second_time() -> None:
    user, _ = with_factor()
    code = code_of(user)
    services.log_in(username=user.username, password=PASSWORD, code=code)
    assert refusal_of(username=user.username, code=code).code == "wrong_code"
    assert refusal_of(username=user.username, code=code_of(user, step=-1)).code == "wrong_code"


@pytest.mark.parametrize("wrong", ["12345", "1234567", "½23456", "١٢٣٤٥٦", "-12345", "' OR 1=1", "x" * 20])
def test_code_when_it_is_none_is_refused(wrong: str) -> None:
    user, _ = with_factor()
    assert refusal_of(username=user.username, code=wrong).code == "wrong_code"


def test_code_when_of_another_time_or_person_is_refused() -> None:
    user, _ = with_factor()
    other, _ = with_factor()
    for code in (code_of(user, step=3), code_of(user, step=-3), code_of(other)):
        assert refusal_of(username=user.username, code=code).code == "wrong_code"


def test_recovery_code_when_used_works_once_and_is_kept_hashed() -> None:
    user, codes = with_factor()
    assert len(set(codes)) == 10
    assert codes[0] not in str(list(SecondFactor.objects.values()))
    services.log_in(username=user.username, password=PASSWORD, code=codes[3].upper())
    assert refusal_of(username=user.username, code=codes[3]).code == "wrong_code"
    assert AuditEvent.objects.get(action="accounts.recovery_code_used").after == {"codes_left": 9}
    newer = services.renew_recovery_codes(user=user, code=codes[4])
    assert refusal_of(username=user.username, code=codes[5]).code == "wrong_code"
    RateBucket.objects.all().delete()
    services.log_in(username=user.username, password=PASSWORD, code=newer[0])


def test_second_factor_when_guessed_at_is_shut_after_five() -> None:
    user, _ = with_factor()
    codes = [refusal_of(username=user.username, code=f"{n:06d}") for n in range(6)]
    assert [type(error) for error in codes] == [NotAuthenticated] * 5 + [TooMany]
    assert refusal_of(username=user.username, code=code_of(user)).code == "rate_limited"


def test_second_factor_secret_when_kept_is_sealed() -> None:
    with_factor()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM accounts_secondfactor")
        assert cursor.fetchone()[0].startswith("sealed1.")


def test_second_factor_when_added_ends_log_ins_from_before_and_wrong_codes_do_not_add_it() -> None:
    user = make_user(password=PASSWORD)
    pair = services.open_session(user=user)
    services.begin_second_factor(user=user)
    with pytest.raises(Invalid):
        services.confirm_second_factor(user=user, code="000000")
    assert not services.has_second_factor(user)
    services.confirm_second_factor(user=user, code=code_of(user))
    pair.session.refresh_from_db()
    assert pair.session.ended_reason == "second factor"
    with pytest.raises(Conflict):
        services.begin_second_factor(user=user)


def test_second_factor_when_reset_by_an_administrator_is_gone_and_audited() -> None:
    user, _ = with_factor()
    services.remove_second_factor(user=user, actor=make_user("administrator"), reason="phone lost")
    assert services.log_in(username=user.username, password=PASSWORD)
    assert AuditEvent.objects.get(action="accounts.second_factor_removed").reason == "phone lost"
    with pytest.raises(Conflict):
        services.remove_second_factor(user=user, actor=None)


@pytest.mark.parametrize(
    ("wanted", "role", "is_needed"),
    [
        ([], "administrator", False),
        (["staff"], "reviewer", True),
        (["administrator"], "administrator", True),
        (["administrator"], "operator", False),
        (["staff"], "client", False),
    ],
)
def test_second_factor_when_demanded_by_the_settings_is_needed_for_tokens(
    settings: Any, wanted: list[str], role: str, is_needed: bool
) -> None:
    settings.SECOND_FACTOR_ROLES = wanted
    make_user(role, username="minji", password=PASSWORD)
    answer = token("minji")
    assert answer.status_code == (401 if is_needed else 200)
    assert not is_needed or answer.json()["error"]["code"] == "otp_enrolment_required"
