"""People and keys: what services refuse, and what they leave behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from time import perf_counter

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.credentials import FreshFacts, identify
from accounts.models import ApiKey, Session, User
from accounts.roles import ROLES, unknown_permissions
from accounts.services.people import roles_of
from audit.models import AuditEvent
from audit.sentences import sentence
from audit.verification import verify
from common.errors import Conflict, FluemanError, Invalid, NotAllowed, NotAuthenticated
from guards.limits import Limit
from guards.services import read_stamps
from tests.accounts.making import PASSWORD, make_client, make_key, make_user, post


@pytest.mark.django_db
def test_roles_table_when_read_names_only_permissions_that_apps_declare() -> None:
    assert unknown_permissions() == set()


# Transactional: `migrate` renews triggers, and MariaDB commits whatever is open before it does.
@pytest.mark.django_db(transaction=True)
def test_groups_when_changed_by_hand_are_as_the_table_says_after_migrate() -> None:
    Group.objects.get(name="client").permissions.clear()
    call_command("migrate", verbosity=0)
    held = {
        f"{permission.content_type.app_label}.{permission.codename}"
        for permission in Group.objects.get(name="client").permissions.select_related("content_type")
    }
    assert held == ROLES["client"].permissions


@pytest.mark.django_db
@pytest.mark.parametrize(
    "details",
    [
        {"username": ""},
        {"username": "with space"},
        {"username": "x" * 151},
        {"username": "nul\0"},
        {"username": "taken"},
        {"username": "ＴＡＫＥＮ".lower()},
        {"username": "a", "password": "short"},
        {"username": "a", "password": "1234567890123"},
        {"username": "a", "roles": ["king"]},
        {"username": "a", "email": "no address"},
        {"username": "a", "language": "xx"},
        {"username": "a", "time_zone": "Mars/Olympus"},
    ],
    ids=str,
)
def test_account_when_wrong_is_refused(details: dict[str, str]) -> None:
    make_user(username="taken")
    with pytest.raises((Invalid, ValidationError)):
        services.create_user(actor=None, **details)
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_roles_when_set_decide_who_works_in_the_admin() -> None:
    user = make_user("client")
    assert not user.is_staff
    services.set_roles(user=user, roles=["operator", "auditor"], actor=None, reason="new job")
    user.refresh_from_db()
    assert (user.is_staff, roles_of(user)) == (True, ["auditor", "operator"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "act",
    [
        lambda user: services.set_roles(user=user, roles=["operator"], actor=user),
        lambda user: services.deactivate_user(user=user, actor=user),
    ],
)
def test_last_administrator_when_about_to_go_stays(act: Callable[[User], object]) -> None:
    user = make_user("administrator")
    with pytest.raises(Conflict):
        act(user)
    user.refresh_from_db()
    assert user.is_active
    make_user("administrator")
    act(user)


@pytest.mark.django_db
def test_person_when_deactivated_twice_is_a_conflict() -> None:
    user = make_user()
    services.deactivate_user(user=user, actor=None)
    with pytest.raises(Conflict):
        services.deactivate_user(user=user, actor=None)
    services.activate_user(user=user, actor=None)
    with pytest.raises(Conflict):
        services.activate_user(user=user, actor=None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "act",
    [
        make_key,
        lambda user: services.revoke_api_key(key=user.api_keys.get(), actor=user),
        lambda user: services.set_roles(user=user, roles=["reviewer"], actor=user),
        lambda user: services.deactivate_user(user=user, actor=user),
        lambda user: services.change_password(user=user, password=PASSWORD, actor=user),
        lambda user: services.end_session(session=user.token_sessions.get(), actor=user),
    ],
)
def test_processes_when_facts_about_callers_change_are_told(act: Callable[[User], object]) -> None:
    user = make_user("operator")
    make_key(user)
    services.open_session(user=user)
    before = read_stamps()["accounts"]
    act(user)
    assert read_stamps()["accounts"] > before


@pytest.mark.django_db
def test_key_when_made_is_kept_without_its_secret() -> None:
    key, text = make_key(make_user())
    secret = text.rpartition("_")[2]
    kept = str(list(ApiKey.objects.values())) + str(list(AuditEvent.objects.values()))
    assert secret not in kept
    assert key.prefix in kept


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["everything"]},
        {"scopes": []},
        {"name": ""},
        {"name": "bidi\u202e"},
        {"allowed_models": ["a/b"]},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_key_when_wrong_is_refused(wrong: dict[str, object]) -> None:
    user = make_user()
    with pytest.raises((Invalid, ValidationError)):
        services.create_api_key(**{"name": "x", "user": user, "scopes": ["read"], "actor": user, **wrong})
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_key_when_its_maker_came_with_a_key_is_never_wider_than_that() -> None:
    user, other = make_user("administrator"), make_user("operator")
    soon = timezone.now() + timedelta(hours=1)
    _, text = make_key(user, "predict", "feedback", allowed_models=["intent"], expires_at=soon)
    caller = identify({b"x-api-key": text.encode()}, FreshFacts())
    narrow = {"name": "x", "user": user, "scopes": ["predict"], "allowed_models": ["intent"], "expires_at": soon}
    services.create_api_key(**narrow, actor=user, caller=caller)
    for field, wider in [
        ("user", other),
        ("scopes", ["predict", "read"]),
        ("allowed_models", []),
        ("allowed_models", ["intent", "other"]),
        ("expires_at", None),
        ("expires_at", soon + timedelta(days=1)),
    ]:
        with pytest.raises(NotAllowed) as caught:
            services.create_api_key(**{**narrow, field: wider}, actor=user, caller=caller)
        assert list(caught.value.fields) == [field]


@pytest.mark.django_db
def test_key_when_used_often_is_written_once_a_minute() -> None:
    key, _ = make_key(make_user())
    services.touch_keys([(key.pk.hex, False)])
    key.refresh_from_db()
    first = key.last_used_at
    assert first
    services.touch_keys([(key.pk.hex, False)])
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    services.touch_keys([(key.pk.hex, False)])
    key.refresh_from_db()
    assert key.last_used_at
    assert key.last_used_at >= first


@pytest.mark.django_db
def test_log_in_when_refused_is_recorded_without_the_name_typed() -> None:
    make_user(username="minji", password=PASSWORD)
    for name, password in [("minji", "wrong password"), ("my secret typed as a name", PASSWORD)]:
        with pytest.raises(NotAuthenticated):
            services.log_in(username=name, password=password)
    events = list(AuditEvent.objects.filter(action="accounts.logged_in", outcome="refused").order_by("sequence"))
    assert len(events) == 2
    assert "minji" in sentence(events[0])
    assert "secret" not in str(AuditEvent.objects.values())


@pytest.mark.django_db
def test_log_in_when_the_name_is_unknown_takes_as_long_as_when_it_is_known() -> None:
    make_user(username="known", password=PASSWORD)
    services.deactivate_user(user=make_user(username="gone", password=PASSWORD), actor=None)

    def fastest(name: str) -> float:
        times = []
        for _ in range(4):
            started = perf_counter()
            with pytest.raises(NotAuthenticated):
                services.log_in(username=name, password="wrong password")
            times.append(perf_counter() - started)
        return min(times)

    known = fastest("known")
    for name in ("unknown", "gone"):
        assert 0.5 < fastest(name) / known < 2


@pytest.mark.django_db
def test_admin_log_in_when_tried_is_recorded() -> None:
    make_user("operator", username="minji", password=PASSWORD)
    client = Client()
    client.post("/admin/login/", {"username": "minji", "password": "wrong password"})
    client.post("/admin/login/", {"username": "minji", "password": PASSWORD})
    client.post("/admin/logout/")
    said = AuditEvent.objects.filter(action__startswith="accounts.logged").order_by("sequence")
    assert list(said.values_list("action", "outcome")) == [
        ("accounts.logged_in", "refused"),
        ("accounts.logged_in", "done"),
        ("accounts.logged_out", "done"),
    ]


def use_token(token: str, answers: multiprocessing.Queue[str]) -> None:
    try:
        services.refresh(token=token)
        answers.put("new pair")
    except FluemanError as error:
        answers.put(error.code)
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_refresh_token_when_two_processes_use_it_at_once_gives_one_pair() -> None:
    pair = services.open_session(user=make_user())
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    users = [fork.Process(target=use_token, args=(pair.refresh, answers)) for _ in range(4)]
    for user in users:
        user.start()
    codes = [answers.get(timeout=60) for _ in users]
    for user in users:
        user.join(60)
    assert codes.count("new pair") == 1
    assert set(codes) <= {"new pair", "reused_token", "ended_session"}
    assert Session.objects.get().ended_reason == "reused"
    assert verify().is_whole


@pytest.mark.django_db
def test_commands_when_run_make_people_and_keys_that_work() -> None:
    out, err = StringIO(), StringIO()
    call_command("create_user", "관리자", "--role", "administrator", stdout=out, stderr=err)
    password = out.getvalue().splitlines()[-1]
    assert services.log_in(username="관리자", password=password)
    call_command("create_user", "관리자", "--role", "administrator", stdout=out, stderr=err)
    assert User.objects.count() == 1

    out = StringIO()
    arguments = ["내 앱", "--user", "관리자", "--scopes", "predict,feedback", "--models", "intent,other"]
    arguments += ["--per-minute", "600", "--burst", "30"]
    call_command("create_api_key", *arguments, stdout=out, stderr=err)
    text = out.getvalue().splitlines()[-1]
    caller = identify({b"x-api-key": text.encode()}, FreshFacts())
    assert (caller.scopes, caller.allowed_models) == ({"predict", "feedback"}, {"intent", "other"})
    assert caller.limit == Limit(600, 30)

    for _ in range(2):
        call_command("revoke_api_key", caller.label, "--reason", "lost", stdout=out, stderr=err)
    with pytest.raises(NotAuthenticated):
        identify({b"x-api-key": text.encode()}, FreshFacts())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ["create_api_key", "x", "--user", "nobody", "--scopes", "predict"],
        ["create_api_key", "x", "--user", "known", "--scopes", "all"],
        ["create_api_key", "x", "--user", "known", "--scopes", ""],
        ["create_api_key", "x", "--user", "known", "--scopes", "read", "--days", "0"],
        ["revoke_api_key", "flm_local_nothing"],
        ["create_user", "with space"],
    ],
    ids=" ".join,
)
def test_commands_when_wrong_say_why(arguments: list[str]) -> None:
    make_user(username="known")
    with pytest.raises(CommandError):
        call_command(*arguments)


@pytest.mark.django_db
def test_event_when_done_with_a_key_names_the_key() -> None:
    user = make_user("operator")
    key, text = make_key(user, "manage")
    answer = post(Client(), "api-keys", {"name": "x", "scopes": ["predict"]}, headers={"X-API-Key": text})
    assert answer.status_code == 201
    assert AuditEvent.objects.latest("sequence").credential == key.prefix
    post(make_client(user), "api-keys", {"name": "x", "scopes": ["predict"]})
    assert AuditEvent.objects.latest("sequence").credential == ""
