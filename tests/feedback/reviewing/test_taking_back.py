"""What was decided, taken back; who an item is given to; the one notice that all is judged."""

from __future__ import annotations

import pytest

from common.errors import NotAllowed
from feedback.models import ReviewItem
from feedback.services.assignment import next_item, open_lock, reassign
from feedback.services.settling import leave_out, settle, take_back
from notify.models import Delivery
from tests.accounts.making import make_user
from tests.feedback.reviewers import judge, make_items, make_people, make_queue
from tests.notify.making import make_channel

pytestmark = pytest.mark.django_db


def told(item: ReviewItem) -> tuple[str, object, bool]:
    fresh = ReviewItem.objects.get(pk=item.pk)
    return fresh.state, fresh.final_answer, fresh.finished_at is not None


def test_taking_back_when_all_had_agreed_then_agreed_as_before() -> None:
    queue, people, boss = make_queue(), make_people(2), make_user("operator")
    left, wrong = make_items(queue, 2)
    for person in people:
        judge(queue, person, ["배송", "배송"])
    leave_out(item=left, actor=boss, reason="중복")
    take_back(item=left, actor=boss)
    assert told(left) == ("agreed", "배송", True)
    settle(item=wrong, actor=boss, answer="환불")
    take_back(item=wrong, actor=boss)
    assert told(wrong) == ("agreed", "배송", True)


def test_taking_back_when_too_few_had_judged_then_it_waits_for_the_others() -> None:
    queue, people, boss = make_queue(), make_people(2), make_user("operator")
    (item,) = make_items(queue)
    judge(queue, people[0], ["배송"])
    leave_out(item=item, actor=boss, reason="중복")
    take_back(item=item, actor=boss)
    assert told(item) == ("waiting", None, False)
    assert next_item(queue=queue, reviewer=people[1]) == item


def test_notice_when_disputes_are_settled_after_all_was_judged_then_none_again() -> None:
    make_channel(events=["review_queue.finished"])
    queue, people, boss = make_queue(), make_people(2), make_user("operator")
    one, two = make_items(queue, 2)
    judge(queue, people[0], ["배송", "배송"])
    judge(queue, people[1], ["환불", "환불"])
    assert Delivery.objects.count() == 1
    settle(item=one, actor=boss, answer="배송")
    leave_out(item=two, actor=boss, reason="중복")
    assert Delivery.objects.count() == 1


def test_item_when_given_to_somebody_who_may_not_review_then_refused_and_it_stays() -> None:
    queue, (person,) = make_queue(), make_people(1)
    make_items(queue)
    item = next_item(queue=queue, reviewer=person)
    assert item
    with pytest.raises(NotAllowed) as refused:
        reassign(item=item, reviewer=person, to=make_user("client"), actor=queue.owner)
    assert refused.value.code == "not_a_reviewer"
    assert open_lock(queue=queue, reviewer=person)
