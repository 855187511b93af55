"""Keys that are about to end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.services import tell_expiring_keys
from common.sealing import unseal
from notify.models import Delivery
from tests.admin.making import make_key, make_person
from tests.notify.making import make_channel

pytestmark = pytest.mark.django_db


def make(**more: Any) -> Any:
    owner = make_person("client", more.pop("name", "app"), email="owner@example.com", language="ko")
    return make_key(owner, **{"expires_at": timezone.now() + timedelta(days=3), **more})


def test_key_when_it_ends_within_a_week_then_told_once() -> None:
    make_channel(events=["api_key.expiring"])
    key = make()
    assert [tell_expiring_keys(), tell_expiring_keys()] == [1, 0]
    told = {one.recipient: one for one in Delivery.objects.all()}
    assert set(told) == {"ops@example.com", "owner@example.com"}
    assert key.prefix in unseal(told["owner@example.com"].letter)
    assert key.prefix in unseal(told["ops@example.com"].letter)


@pytest.mark.parametrize("days", [30, -1])
def test_key_when_it_ends_later_or_has_ended_then_not_told(days: int) -> None:
    make(expires_at=timezone.now() + timedelta(days=days))
    assert tell_expiring_keys() == 0


def test_key_when_revoked_or_without_end_then_not_told() -> None:
    make(revoked_at=timezone.now())
    make(name="other", expires_at=None)
    assert tell_expiring_keys() == 0
