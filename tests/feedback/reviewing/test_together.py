"""Many reviewers at once: nobody twice on an item, nobody too many, whatever they do and however they meet."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from common.errors import Conflict, NotFound
from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue
from feedback.services.assignment import next_item
from feedback.services.reviewing import skip, submit
from feedback.services.settling import settle
from notify.models import Delivery
from tests.accounts.making import make_user
from tests.databases.working import in_threads
from tests.feedback.reviewers import CHOICES, make_items, make_people, make_queue, undo_last
from tests.notify.making import make_channel

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, ITEMS, ANSWERS = 8, 12, 2


def test_reviewers_when_many_at_once_then_no_doubles_and_never_too_many() -> None:
    queue, people = make_queue(reviewers_per_item=ANSWERS), make_people(PEOPLE)
    make_items(queue, ITEMS)

    def work(number: int) -> None:
        own, draw = ReviewQueue.objects.get(pk=queue.pk), random.Random(number)
        while (item := next_item(queue=own, reviewer=people[number])) is not None:
            roll = draw.random()
            if roll < 0.1:
                skip(item=item, reviewer=people[number], reason="모름")
            else:
                submit(item=item, reviewer=people[number], answer=draw.choice(CHOICES))
            if roll > 0.9:
                with_grace(undo_last, queue=own, person=people[number])

    assert in_threads(*[partial(work, number) for number in range(PEOPLE)]) == [None] * PEOPLE
    for number in range(PEOPLE):  # who found all places taken comes back once others have skipped
        work(number)
    demand_whole(queue)
    counted = Review.objects.filter(state="counts").values_list("item", flat=True)
    assert Counter(counted) == dict.fromkeys(queue.items.values_list("pk", flat=True), ANSWERS)
    assert not ReviewLock.objects.exists()
    assert set(queue.items.values_list("state", flat=True)) <= {"agreed", "disputed"}


def test_same_person_when_in_many_windows_then_one_open_item_and_one_review() -> None:
    queue, (person,) = make_queue(), make_people(1)
    make_items(queue, 6)
    got = in_threads(*[lambda: next_item(queue=ReviewQueue.objects.get(pk=queue.pk), reviewer=person)] * 6)
    assert len(set(got)) == 1, got
    assert ReviewLock.objects.count() == 1
    item = got[0]
    said = in_threads(*[lambda: submit(item=item, reviewer=person, answer="배송")] * 6)
    assert len({one.pk for one in said}) == 1, said
    demand_whole(queue)
    assert Review.objects.count() == 1


def test_last_place_when_answers_and_a_settlement_meet_then_one_end_and_true_counts() -> None:
    queue, people, boss = make_queue(reviewers_per_item=2), make_people(2), make_user("operator")
    for item in make_items(queue, 3):
        for person in people:
            assert next_item(queue=queue, reviewer=person) == item
        said = [partial(with_grace, submit, item=item, reviewer=person, answer="배송") for person in people]
        in_threads(*said, partial(with_grace, settle, item=item, actor=boss, answer="환불"))
        item.refresh_from_db()
        assert (item.state, item.final_answer) == ("settled", "환불")
        demand_whole(queue)


def test_last_items_when_two_end_them_at_one_moment_then_one_notice_tells() -> None:
    make_channel(events=["review_queue.finished"])
    queue, people = make_queue(reviewers_per_item=1), make_people(2)
    make_items(queue, 2)
    items = [next_item(queue=queue, reviewer=person) for person in people]
    is_first_judged, is_second_judged = threading.Event(), threading.Event()

    def judge_first() -> None:
        with transaction.atomic():
            submit(item=items[0], reviewer=people[0], answer="배송")
            is_first_judged.set()
            is_second_judged.wait(0.5)  # in vain where the second waits for this end

    def judge_second() -> None:
        is_first_judged.wait()
        submit(item=items[1], reviewer=people[1], answer="배송")
        is_second_judged.set()

    assert in_threads(judge_first, judge_second) == [None, None]
    assert [one.event for one in Delivery.objects.all()] == ["review_queue.finished"]


def with_grace(verb: Any, **arguments: Any) -> Any:
    """Do what may be refused because others were faster."""
    try:
        return verb(**arguments)
    except (Conflict, NotFound) as refused:
        return refused


def demand_whole(queue: ReviewQueue) -> None:
    """Check what must hold at any time."""
    for item in ReviewItem.objects.filter(queue=queue):
        counting = list(item.reviews.filter(state="counts").values_list("reviewer_id", flat=True))
        assert len(counting) == len(set(counting)) == item.reviews_done
        assert item.places_taken == item.reviews_done + item.locks.count() <= item.reviews_needed
        standing = list(item.reviews.exclude(state="undone").values_list("reviewer_id", flat=True))
        assert len(standing) == len(set(standing))
