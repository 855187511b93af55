"""One key, one effect: claims, replays, clashes, leases."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from common.errors import Conflict, Invalid, Unprocessable
from guards.idempotency import KEPT_FOR, Claimed, Replay, claim, release
from guards.models import IdempotencyRecord

pytestmark = pytest.mark.django_db


def make_claim(**changes: Any) -> Claimed | Replay:
    given = {"caller": "key:1", "route": "predict intent", "key": "k-1", "body_hash": "a" * 64, "lease_s": 10}
    return claim(**(given | changes))


def finish(claimed: Claimed | Replay, status: int = 200, body: str = "{}") -> None:
    assert isinstance(claimed, Claimed)
    IdempotencyRecord.objects.filter(id=claimed.id).update(status=status, body=body)


def test_claim_when_new_then_ours() -> None:
    assert isinstance(make_claim(), Claimed)


def test_claim_when_under_way_then_conflict_with_retry() -> None:
    make_claim()
    with pytest.raises(Conflict) as caught:
        make_claim()
    assert caught.value.retry_after_s == 1


def test_claim_when_done_then_the_same_answer() -> None:
    finish(make_claim(), body='{"a": 1}')
    assert make_claim() == Replay(200, '{"a": 1}')


def test_claim_when_other_body_then_unprocessable() -> None:
    finish(make_claim())
    with pytest.raises(Unprocessable):
        make_claim(body_hash="b" * 64)


@pytest.mark.parametrize("other", [{"caller": "key:2"}, {"route": "predict other"}, {"key": "k-2"}])
def test_claim_when_other_caller_route_or_key_then_ours(other: dict[str, str]) -> None:
    make_claim()
    assert isinstance(make_claim(**other), Claimed)


def test_claim_when_lease_is_over_then_taken_over_by_one() -> None:
    first = make_claim(lease_s=-1)
    second = make_claim()
    assert isinstance(second, Claimed)
    assert isinstance(first, Claimed)
    assert second.lease_until != first.lease_until
    with pytest.raises(Conflict):
        make_claim()


def test_claim_when_older_than_a_day_then_ours_again() -> None:
    finish(make_claim())
    IdempotencyRecord.objects.update(created_at=timezone.now() - KEPT_FOR - timedelta(minutes=1))
    assert isinstance(make_claim(body_hash="b" * 64), Claimed)


def test_release_when_failed_then_next_may_try() -> None:
    claimed = make_claim()
    assert isinstance(claimed, Claimed)
    release(claimed)
    assert isinstance(make_claim(), Claimed)


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\tkey", "한글"])
def test_claim_when_key_is_bad_then_invalid(key: str) -> None:
    with pytest.raises(Invalid):
        make_claim(key=key)
