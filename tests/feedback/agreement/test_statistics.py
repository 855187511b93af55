from __future__ import annotations

import pytest

from feedback.services.assignment import next_item
from feedback.services.reviewing import skip, submit
from feedback.services.settling import make_golden, settle
from feedback.services.statistics import queue_statistics, reviewer_statistics
from tests.accounts.making import make_user
from tests.feedback.reviewers import judge, make_items, make_people, make_queue, undo_last

pytestmark = pytest.mark.django_db


def test_statistics_when_a_queue_is_new_then_noughts_and_nothing_made_up() -> None:
    figures = queue_statistics(make_queue())
    assert (figures.total, figures.done, figures.reviews, figures.per_day) == (0, 0, 0, [])
    assert figures.median_seconds is None
    assert (figures.agreement.alpha, figures.agreement.raw, figures.agreement.strength) == (None, None, "")
    assert reviewer_statistics(make_queue("다른")) == []


def test_statistics_when_two_judged_then_counts_and_agreement_are_those_of_the_rows() -> None:
    queue, (first, second) = make_queue(), make_people(2)
    make_items(queue, 5)
    judge(queue, first, ["배송", "배송", "환불", "환불"])
    judge(queue, second, ["배송", "배송", "환불", "기타"])
    item = next_item(queue=queue, reviewer=first)
    assert item
    skip(item=item, reviewer=first, reason="모르겠음")
    settle(item=queue.items.get(state="disputed"), actor=make_user("operator"), answer="기타")
    figures = queue_statistics(queue)
    assert figures.items == {"waiting": 1, "agreed": 3, "disputed": 0, "settled": 1, "left_out": 0, "golden": 0}
    assert (figures.total, figures.done, figures.reviews, figures.skipped) == (5, 4, 8, 1)
    agreed = figures.agreement
    assert (agreed.raw, agreed.reviews, agreed.is_whole, agreed.level) == (0.75, 8, True, "nominal")
    assert agreed.alpha == pytest.approx(1 - 7 * 2 / (64 - 16 - 9 - 1))
    assert agreed.low is not None
    assert agreed.high is not None
    assert agreed.low <= agreed.alpha <= agreed.high
    assert (agreed.strength, agreed.cohen) == ("substantial", pytest.approx(0.6))
    assert sum(count for _day, count in figures.per_day) == 8
    told = {one.name: one for one in reviewer_statistics(queue)}
    assert (told[first.username].done, told[first.username].skipped) == (4, 1)
    assert (told[second.username].with_majority, told[second.username].majority) == (3, 3)


def test_statistics_when_items_are_golden_then_apart_and_a_second_try_does_not_mend_the_first() -> None:
    queue, (person,) = make_queue(golden_percent=0), make_people(1)
    (item,) = make_items(queue, 1)
    golden = make_golden(item=item, actor=queue.owner, answer="환불")
    submit(item=golden, reviewer=person, answer="배송")
    undo_last(queue, person)
    submit(item=golden, reviewer=person, answer="환불")
    (told,) = reviewer_statistics(queue)
    assert (told.golden_right, told.golden, told.done) == (0, 1, 1)
    figures = queue_statistics(queue)
    assert (figures.total, figures.items["golden"], figures.agreement.reviews) == (0, 1, 0)
