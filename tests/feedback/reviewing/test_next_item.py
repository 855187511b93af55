from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from common.errors import Conflict, NotAllowed, NotFound
from feedback.handles import handle_of, pk_of
from feedback.models import Review, ReviewItem, ReviewLock
from feedback.services.assignment import free_expired, next_item, prolong, reassign, release
from feedback.services.queues import change_queue, close_queue
from feedback.services.reviewing import submit
from feedback.services.settling import make_golden
from tests.accounts.making import make_user
from tests.feedback.reviewers import judge, make_items, make_people, make_queue

pytestmark = pytest.mark.django_db


def run_out(item: ReviewItem) -> None:
    item.locks.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_next_item_when_asked_then_by_priority_then_shuffled_and_the_same_until_answered() -> None:
    queue, (person,) = make_queue(), make_people(1)
    low, high = make_items(queue, 4, priority=-1), make_items(queue, 4, priority=9)
    got = judge(queue, person, ["배송"] * 8)
    assert got == high + low
    assert [item.pk for item in high] != sorted(item.pk for item in high) or low != sorted(low, key=lambda one: one.pk)
    make_items(queue, 3)
    assert len({next_item(queue=queue, reviewer=person) for _ in range(3)}) == 1
    assert ReviewLock.objects.count() == 1


def test_next_item_when_the_places_are_taken_then_others_get_another_or_none() -> None:
    queue, people = make_queue(reviewers_per_item=2), make_people(5)
    first, second = make_items(queue, 2)
    got = [next_item(queue=queue, reviewer=person) for person in people]
    assert got == [first, first, second, second, None]


def test_next_item_when_one_has_done_all_then_none_and_again_after_an_undo_of_nothing() -> None:
    queue, (person,) = make_queue(reviewers_per_item=3), make_people(1)
    make_items(queue, 2)
    judge(queue, person, ["배송", "환불"])
    assert next_item(queue=queue, reviewer=person) is None


def test_lock_when_it_runs_out_then_the_place_goes_to_others_and_the_late_answer_needs_a_free_one() -> None:
    queue, (slow, quick, third) = make_queue(reviewers_per_item=1), make_people(3)
    (item,) = make_items(queue)
    assert next_item(queue=queue, reviewer=slow) == item
    assert next_item(queue=queue, reviewer=quick) is None
    run_out(item)
    assert next_item(queue=queue, reviewer=quick) == item
    with pytest.raises(Conflict) as refused:
        submit(item=item, reviewer=slow, answer="배송")
    assert refused.value.code == "too_late"
    release(item=item, reviewer=quick, actor=quick)
    submit(item=item, reviewer=slow, answer="배송")
    item.refresh_from_db()
    assert (item.state, item.places_taken, item.reviews_done) == ("agreed", 1, 1)
    with pytest.raises(Conflict):
        submit(item=item, reviewer=third, answer="배송")


def test_lock_when_it_ran_out_and_nobody_took_it_then_the_person_goes_on() -> None:
    queue, (person,) = make_queue(), make_people(1)
    (item,) = make_items(queue)
    next_item(queue=queue, reviewer=person)
    run_out(item)
    assert next_item(queue=queue, reviewer=person) == item
    assert item.locks.get().expires_at > timezone.now()
    run_out(item)
    assert prolong(item=item, reviewer=person).expires_at > timezone.now()
    run_out(item)
    assert free_expired() == 1
    assert free_expired() == 0
    with pytest.raises(Conflict) as refused:
        prolong(item=item, reviewer=person)
    assert refused.value.code == "lock_lost"
    item.refresh_from_db()
    assert item.places_taken == 0


def test_queue_when_it_names_reviewers_or_is_closed_then_others_get_nothing() -> None:
    queue, (member, other) = make_queue(), make_people(2)
    (item,) = make_items(queue)
    change_queue(queue=queue, actor=queue.owner, reviewers=[member])
    assert next_item(queue=queue, reviewer=member) == item
    with pytest.raises(NotAllowed):
        next_item(queue=queue, reviewer=other)
    with pytest.raises(NotAllowed):
        submit(item=item, reviewer=other, answer="배송")
    close_queue(queue=queue, actor=queue.owner)
    queue.refresh_from_db()
    with pytest.raises(Conflict) as refused:
        next_item(queue=queue, reviewer=member)
    assert refused.value.code == "queue_closed"
    assert submit(item=item, reviewer=member, answer="배송").state == "counts"  # what was open is not lost


def test_item_when_reassigned_or_released_then_told_and_never_to_one_who_had_it() -> None:
    queue, (first, second, third), boss = make_queue(), make_people(3), make_user("operator")
    one = make_items(queue, 2)[0]
    next_item(queue=queue, reviewer=first)
    reassign(item=one, reviewer=first, to=second, actor=boss, reason="휴가")
    assert next_item(queue=queue, reviewer=second) == one
    submit(item=one, reviewer=second, answer="배송")
    assert next_item(queue=queue, reviewer=first) == one
    with pytest.raises(Conflict):
        reassign(item=one, reviewer=first, to=second, actor=boss)
    next_item(queue=queue, reviewer=second)
    with pytest.raises(Conflict):
        reassign(item=one, reviewer=first, to=second, actor=boss)
    release(item=one, reviewer=first, actor=boss, reason="비움")
    with pytest.raises(NotFound):
        release(item=one, reviewer=third, actor=boss)
    one.refresh_from_db()
    assert (one.places_taken, one.reviews_done) == (1, 1)
    events = AuditEvent.objects.filter(action__startswith="feedback.item_").order_by("pk")
    actions = list(events.values_list("action", "reason"))
    assert actions == [("feedback.item_reassigned", "휴가"), ("feedback.item_released", "비움")]


def test_golden_items_when_mixed_in_then_each_person_gets_each_once_and_nothing_shows() -> None:
    queue, people = make_queue(golden_percent=50, reviewers_per_item=1), make_people(2)
    items = make_items(queue, 60)
    golden = {make_golden(item=item, actor=queue.owner, answer="배송").pk for item in items[:6]}
    assert golden == {item.pk for item in items[:6]}  # nobody had judged them: themselves, no copies
    for person in people:
        got = [item.pk for item in judge(queue, person, ["배송"] * 20)]
        assert len(set(got)) == 20
        assert 1 <= len(golden & set(got)) <= 6
    assert set(Review.objects.filter(item__in=golden).values_list("is_right", flat=True)) == {True}
    assert set(ReviewItem.objects.filter(pk__in=golden).values_list("state", flat=True)) == {"golden"}


def test_golden_copy_when_one_has_judged_the_original_then_they_never_get_it() -> None:
    queue, (first, second) = make_queue(golden_percent=50, reviewers_per_item=1), make_people(2)
    (item,) = make_items(queue)
    ReviewItem.objects.update(request_id="0190d8f2-0000-7000-8000-000000000000")
    judge(queue, first, ["환불"])
    item.refresh_from_db()
    copy = make_golden(item=item, actor=queue.owner)
    assert (copy.pk != item.pk, copy.golden.answer, item.state) == (True, "환불", "agreed")
    assert {next_item(queue=queue, reviewer=first) for _ in range(20)} == {None}
    assert copy in {next_item(queue=queue, reviewer=second) for _ in range(20)}


def test_handles_when_made_then_they_come_back_and_hide_the_order() -> None:
    keys = [1, 2, 3, 1000, 2**31, 2**62]
    handles = [handle_of(key) for key in keys]
    assert [pk_of(handle) for handle in handles] == keys
    assert sorted(handle_of(key) for key in range(50)) != [handle_of(key) for key in range(50)]
    for text in ("", "1", "x" * 16, "F" * 16, handles[0] + "0"):
        with pytest.raises(NotFound):
            pk_of(text)


def test_next_item_when_the_way_from_the_front_is_long_then_on_behind_the_last_and_at_the_end_from_the_front() -> None:
    queue, (person,) = make_queue(), make_people(1)
    items = make_items(queue, 6, priority=2) + make_items(queue, 2, priority=1)
    judge(queue, person, ["배송"] * 3)
    cache.set(f"feedback:slow:{queue.pk}:{person.pk}", value=True, timeout=60)
    (urgent,) = make_items(queue, 1, priority=9)
    assert judge(queue, person, ["배송"] * 6) == [*items[3:], urgent]
    assert next_item(queue=queue, reviewer=person) is None
    cache.delete(f"feedback:slow:{queue.pk}:{person.pk}")


@pytest.mark.django_db(transaction=True)  # statistics of a table commit, on MariaDB
def test_next_item_when_explained_then_an_index_leads_to_it_without_sorting() -> None:
    from feedback.services.assignment import _for_them

    queue, (person,) = make_queue(), make_people(1)
    rows = [ReviewItem(queue=queue, source_key=str(n), reason="x", reviews_needed=2, shuffle=n) for n in range(3000)]
    ReviewItem.objects.bulk_create(rows)
    Review.objects.bulk_create(
        Review(item=row, queue=queue, reviewer=person, reviewer_name="x", answer="배송", seconds=1)
        for row in queue.items.all()[:50]
    )
    if connection.vendor != "sqlite":
        table = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
        with connection.cursor() as cursor:
            cursor.execute(f"{table} feedback_reviewitem")
    plan = _for_them(queue, person, "waiting").values_list("pk", flat=True)[:32].explain()
    assert "feedback_item_next" in plan
    assert "feedback_review_by_item" in plan or connection.vendor != "sqlite"
    assert not any(word in plan for word in ("TEMP B-TREE", "filesort", "Sort "))
