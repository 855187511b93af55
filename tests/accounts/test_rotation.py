"""Keys given a new secret while the old one lingers, and keys with a limit."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import ApiKey
from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from guards.limits import Limit
from tests.accounts.making import bearer, make_client, make_key, make_user, patch, post
from tests.accounts.test_credentials import bearer as carried
from tests.accounts.test_credentials import by_both, refusal

pytestmark = pytest.mark.django_db


def test_key_when_rotated_works_with_both_secrets_until_the_old_one_ends() -> None:
    user = make_user("operator")
    key, old = make_key(user, "predict", allowed_models=["intent"])
    rotated, new = services.rotate_api_key(key=key, actor=user, keep_old_for=timedelta(hours=1))
    assert (rotated.pk, rotated.prefix) == (key.pk, old.rpartition("_")[0]) == (key.pk, new.rpartition("_")[0])
    first, second = by_both(carried(old)), by_both(carried(new))
    assert (first.has_old_secret, second.has_old_secret) == (True, False)
    assert (first.permissions, first.allowed_models, first.identity) == (
        second.permissions, second.allowed_models, second.identity
    )  # fmt: skip
    ApiKey.objects.update(old_until=timezone.now() - timedelta(seconds=1))
    assert refusal(carried(old)) == "unknown_key"
    assert by_both(carried(new))
    event = AuditEvent.objects.get(action="accounts.api_key_rotated")
    assert old not in str(event.after)


def test_key_when_rotated_twice_keeps_one_old_secret_only() -> None:
    user = make_user("operator")
    key, first = make_key(user)
    key, second = services.rotate_api_key(key=key, actor=user)
    key, third = services.rotate_api_key(key=key, actor=user)
    assert refusal(carried(first)) == "unknown_key"
    assert by_both(carried(second)).has_old_secret
    assert by_both(carried(third))
    services.revoke_api_key(key=key, actor=user)
    assert {refusal(carried(text)) for text in (first, second, third)} == {"unknown_key"}


def test_key_when_rotated_by_two_at_once_gets_one_new_secret() -> None:
    user = make_user("operator")
    key, _ = make_key(user)
    stale = ApiKey.objects.get()
    services.rotate_api_key(key=key, actor=user)
    with pytest.raises(Conflict):
        services.rotate_api_key(key=stale, actor=user)
    with pytest.raises(Invalid):
        services.rotate_api_key(key=key, actor=user, keep_old_for=timedelta(days=31))
    services.revoke_api_key(key=key, actor=user)
    with pytest.raises(Conflict):
        services.rotate_api_key(key=key, actor=user)


def test_old_secret_when_used_is_noted_apart_from_the_new_one() -> None:
    user = make_user("operator")
    key, old = make_key(user)
    key, new = services.rotate_api_key(key=key, actor=user)
    assert Client(headers=bearer(old)).get("/api/v1/me").status_code == 200
    key.refresh_from_db()
    assert (key.old_used_at is not None, key.last_used_at) == (True, None)
    Client(headers=bearer(new)).get("/api/v1/me")
    key.refresh_from_db()
    assert key.last_used_at


def test_key_when_rotated_by_rest_shows_the_new_secret_once_and_the_end_of_the_old() -> None:
    user = make_user("operator")
    client = make_client(user)
    key, old = make_key(user)
    answer = post(client, f"api-keys/{key.pk}/rotate", {"keep_old_for_hours": 2, "reason": "regular"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    new = answer.json()["key"]
    until = ApiKey.objects.get().old_until
    assert until
    assert abs(until - timezone.now() - timedelta(hours=2)) < timedelta(minutes=1)
    for text in (old, new):
        assert Client(headers=bearer(text)).get("/api/v1/me").status_code == 200
    assert "key" not in client.get(f"/api/v1/api-keys/{key.pk}").json()
    at_once = post(client, f"api-keys/{key.pk}/rotate", {"keep_old_for_hours": 0}).json()["key"]
    assert [Client(headers=bearer(text)).get("/api/v1/me").status_code for text in (old, new, at_once)] == [
        401, 401, 200
    ]  # fmt: skip
    assert post(client, f"api-keys/{key.pk}/rotate", {"keep_old_for_hours": 10_000}).status_code == 400
    other = make_client(make_user("operator"))
    assert post(other, f"api-keys/{key.pk}/rotate").status_code == 404


def test_limit_of_a_key_when_set_by_an_administrator_is_known_to_its_caller() -> None:
    owner = make_user("operator")
    key, text = make_key(owner)
    assert by_both(carried(text)).limit is None
    ruler = make_client(make_user("administrator"))
    assert patch(make_client(owner), f"api-keys/{key.pk}", {"per_minute": 600}).status_code == 403
    answer = patch(ruler, f"api-keys/{key.pk}", {"per_minute": 600, "burst": 30})
    assert (answer.status_code, answer.json()["per_minute"], answer.json()["burst"]) == (200, 600, 30)
    limit = by_both(carried(text)).limit
    assert limit
    assert (limit.per_minute, limit.burst) == (600, 30)
    assert AuditEvent.objects.get(action="accounts.api_key_limited").after == {
        "per_minute": 600,
        "burst": 30,
        "rows_per_minute": None,
    }
    for wrong in ({"per_minute": 0}, {"per_minute": 10**7}, {"per_minute": None, "burst": 3}, {"per_minute": -1}):
        assert patch(ruler, f"api-keys/{key.pk}", wrong).status_code == 400
    assert patch(ruler, f"api-keys/{key.pk}", {"per_minute": None, "burst": None}).status_code == 200
    assert by_both(carried(text)).limit is None


def test_limit_of_rows_when_set_stays_where_it_is_not_named() -> None:
    key, text = make_key(make_user("operator"))
    ruler = make_client(make_user("administrator"))
    answer = patch(ruler, f"api-keys/{key.pk}", {"per_minute": None, "rows_per_minute": 900})
    assert (answer.status_code, answer.json()["rows_per_minute"]) == (200, 900)
    assert by_both(carried(text)).rows_limit == Limit.of_rows(900)
    assert patch(ruler, f"api-keys/{key.pk}", {"per_minute": 60}).json()["rows_per_minute"] == 900
    assert patch(ruler, f"api-keys/{key.pk}", {"per_minute": 60, "rows_per_minute": 0}).status_code == 400
    _, own = make_key(make_user("operator"), "manage", rows_per_minute=900)
    client, wish = Client(headers=bearer(own)), {"name": "x", "scopes": ["predict"]}
    assert post(client, "api-keys", wish).status_code == 403
    wider = post(client, "api-keys", {**wish, "rows_per_minute": 901}).json()["error"]
    assert list(wider["fields"]) == ["rows_per_minute"]
    assert post(client, "api-keys", {**wish, "rows_per_minute": 900}).status_code == 201


def test_key_when_minting_one_without_its_limit_is_refused() -> None:
    _, text = make_key(make_user("operator"), "manage", per_minute=60)
    client = Client(headers=bearer(text))
    assert post(client, "api-keys", {"name": "x", "scopes": ["predict"]}).status_code == 403
    assert post(client, "api-keys", {"name": "x", "scopes": ["predict"], "per_minute": 60}).status_code == 201


@pytest.mark.parametrize(("own", "wished", "status"), [(1, 600_000, 403), (1, None, 403), (None, 7, 403), (7, 7, 201)])
def test_key_when_minting_one_of_a_larger_burst_is_refused(own: int | None, wished: int | None, status: int) -> None:
    """A burst that is not given is six seconds' worth, here 6."""
    _, text = make_key(make_user("operator"), "manage", per_minute=60, burst=own)
    client, wish = Client(headers=bearer(text)), {"name": "x", "scopes": ["predict"], "per_minute": 60}
    answer = post(client, "api-keys", {**wish, "burst": wished})
    assert answer.status_code == status
    assert list(answer.json().get("error", {}).get("fields", {})) == (["burst"] if status == 403 else [])


def test_key_when_giving_itself_a_larger_burst_is_refused() -> None:
    key, text = make_key(make_user("administrator"), "manage", per_minute=60, burst=1)
    client = Client(headers=bearer(text))
    assert patch(client, f"api-keys/{key.pk}", {"per_minute": 60, "burst": 2}).status_code == 403
    assert patch(client, f"api-keys/{key.pk}", {"per_minute": 30, "burst": 1}).status_code == 200


def test_rotate_command_when_run_prints_the_new_key_alone_on_its_last_line() -> None:
    key, old = make_key(make_user("operator"))
    out, err = StringIO(), StringIO()
    call_command("rotate_api_key", key.prefix, "--hours", "1", "--reason", "regular", stdout=out, stderr=err)
    new = out.getvalue().strip().splitlines()[-1]
    assert [by_both(carried(text)).has_old_secret for text in (old, new)] == [True, False]
    with pytest.raises(CommandError):
        call_command("rotate_api_key", "flm_local_nothing")
