"""Figures of queues with many different texts, with people who have gone, and with more reviews than are read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback.agreement import cohen_kappa
from feedback.models import Review
from feedback.services import statistics
from feedback.services.reviewing import submit
from feedback.services.settling import make_golden
from feedback.services.statistics import queue_statistics
from tests.feedback.reviewers import judge, make_items, make_people, make_queue


def test_kappa_when_all_answers_are_different_texts_then_no_table_of_them() -> None:
    texts = [f"답 {number}" for number in range(100_000)]  # a table of them would have 80 GB
    assert cohen_kappa(texts, texts) == 1
    others = [*texts[:50_000], *(f"다른 {number}" for number in range(50_000))]
    assert cohen_kappa(texts, others) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.django_db
def test_statistics_when_an_account_is_gone_then_kappa_is_that_of_the_other_two() -> None:
    queue, (first, second, gone) = make_queue(), make_people(3)
    make_items(queue, 3)
    judge(queue, first, ["배송", "환불"])
    judge(queue, second, ["배송"])
    judge(queue, gone, ["환불", "배송"])
    Review.objects.filter(reviewer=gone).update(reviewer=None)
    figures = queue_statistics(queue)
    assert (figures.reviews, figures.agreement.cohen) == (5, None)  # both said the same of the one that both judged


@pytest.mark.django_db
def test_statistics_when_there_are_more_reviews_than_are_read_then_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, (first, second) = make_queue(), make_people(2)
    golden, *_items = make_items(queue, 3)
    submit(item=make_golden(item=golden, actor=queue.owner, answer="배송"), reviewer=first, answer="배송")
    judge(queue, first, ["배송", "환불"])
    judge(queue, second, ["배송", "환불"])
    assert queue_statistics(queue).agreement.is_whole
    Review.objects.filter(item=golden).delete()
    submit(item=golden, reviewer=second, answer="배송")  # the newest is one of a golden item
    monkeypatch.setattr(statistics, "MOST_REVIEWS", 4)
    agreed = queue_statistics(queue).agreement
    assert (agreed.reviews, agreed.is_whole) == (3, False)


@pytest.mark.django_db
def test_statistics_when_days_are_empty_or_long_ago_then_the_last_thirty_without_gaps() -> None:
    queue, (person,) = make_queue(reviewers_per_item=1), make_people(1)
    make_items(queue, 3)
    judge(queue, person, ["배송"] * 3)
    now = timezone.now()
    for review, days in zip(Review.objects.order_by("id"), (400, 3, 0), strict=True):
        Review.objects.filter(pk=review.pk).update(created_at=now - timedelta(days=days))
    assert [count for _day, count in queue_statistics(queue).per_day] == [1, 0, 0, 1]
