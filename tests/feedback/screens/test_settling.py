"""Settling disputes: answers side by side, decided by somebody who has no part in them."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.urls import reverse

from feedback.models import ReviewQueue
from feedback.services.reviewing import submit
from feedback.services.settling import settle
from tests.accounts.making import make_user
from tests.feedback.screens.making import SCRIPT, browser, disagree, hidden, make_items, make_queue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def settle_url(queue: ReviewQueue) -> str:
    return reverse("admin:feedback_reviewqueue_settle", args=[queue.pk])


def picks(html: str) -> list[str]:
    return re.findall(r'name="pick" value="([^"]+)" data-key', html)


def test_dispute_when_blind_shows_answers_without_names_until_it_is_settled() -> None:
    queue = make_queue(reviewers_per_item=3)
    (item,) = make_items(queue, "언제 오나요?")
    people = disagree(queue, item, "환불", "환불", "기타")
    client = browser(make_user("operator"))
    html = client.get(settle_url(queue)).content.decode()
    assert all(person.username not in html for person in people)
    assert "Reviewer 1, Reviewer 2 · 2/3" in html
    assert "애매함" in html
    sent = {**hidden(html), "do": "submit", "pick": picks(html)[0], "note": "규칙 3"}
    got = client.post(settle_url(queue), sent, headers=SCRIPT).json()
    assert "nothing to settle" in got["html"]
    item.refresh_from_db()
    assert (item.state, item.final_answer, item.settled_note) == ("settled", "환불", "규칙 3")
    page = client.get(reverse("admin:feedback_reviewitem_change", args=[item.pk])).content.decode()
    assert all(person.username in page for person in people)


def test_dispute_when_blind_is_found_by_no_reviewer_until_it_is_settled() -> None:
    queue = make_queue()
    (item,) = make_items(queue, "언제 오나요?")
    person, _other = disagree(queue, item, "환불", "기타")
    boss = make_user("operator")
    page, query = reverse("admin:feedback_reviewitem_changelist"), {"queue": queue.pk, "reviewer": person.pk}

    def listed(**more: str) -> int:
        return browser(boss).get(page, query | more).content.decode().count("rv-words")

    assert (listed(), listed(answer="환불")) == (0, 0)
    settle(item=item, actor=boss, answer="환불")
    assert (listed(), listed(answer="환불"), listed(answer="기타")) == (1, 1, 0)


def test_dispute_when_another_answer_is_right_takes_it_and_asks_where_there_is_none() -> None:
    queue = make_queue()
    (item,) = make_items(queue, "하나")
    disagree(queue, item, "환불", "기타")
    client = browser(make_user("operator"))
    form = hidden(client.get(settle_url(queue)).content.decode())
    assert "error" in client.post(settle_url(queue), {**form, "do": "submit"}, headers=SCRIPT).json()
    assert "error" in client.post(settle_url(queue), {**form, "pick": "other"}, headers=SCRIPT).json()
    client.post(settle_url(queue), {**form, "pick": "other", "answer": "배송"})
    item.refresh_from_db()
    assert item.final_answer == "배송"


def test_dispute_when_the_settler_took_part_is_left_to_somebody_else() -> None:
    queue, operator = make_queue(), make_user("operator")
    (item,) = make_items(queue, "하나")
    submit(item=item, reviewer=operator, answer="환불")
    disagree(queue, item, "기타")
    html = browser(operator).get(settle_url(queue)).content.decode()
    assert "somebody else has to settle it" in html
    sent = {"item": item.pk, "do": "submit", "pick": "other", "answer": "배송"}
    assert "one of its reviewers" in browser(operator).post(settle_url(queue), sent, headers=SCRIPT).json()["error"]


def test_dispute_when_left_for_later_comes_round_again_and_can_be_undone() -> None:
    queue = make_queue()
    items = make_items(queue, "하나", "둘")
    for item in items:
        disagree(queue, item, "환불", "기타")
    client = browser(make_user("operator"))
    first = hidden(client.get(settle_url(queue)).content.decode())
    second = hidden(client.post(settle_url(queue), {**first, "do": "later"}, headers=SCRIPT).json()["html"])
    assert {first["item"], second["item"]} == {str(item.pk) for item in items}
    third = hidden(client.post(settle_url(queue), {**second, "do": "later"}, headers=SCRIPT).json()["html"])
    assert third["item"] == first["item"]
    gone = client.post(settle_url(queue), {**third, "do": "leave_out", "reason": "두 번 나옴"}, headers=SCRIPT).json()
    assert queue.items.get(pk=first["item"]).state == "left_out"
    form = hidden(gone["html"])
    assert form["last"] == first["item"]
    client.post(settle_url(queue), {**form, "do": "undo"}, headers=SCRIPT)
    assert queue.items.get(pk=first["item"]).state == "disputed"


def test_settling_when_somebody_may_only_review_is_refused() -> None:
    queue = make_queue()
    assert browser(make_user("reviewer")).get(settle_url(queue)).status_code == 403


def test_settling_when_the_item_is_nonsense_is_refused_kindly() -> None:
    queue, client = make_queue(), browser(make_user("operator"))
    for item in ("", "x", "9" * 400, "\0"):
        for do in ("submit", "later", "leave_out", "undo", "?"):
            sent = {"item": item, "last": item, "do": do}
            assert "error" in client.post(settle_url(queue), sent, headers=SCRIPT).json()
        assert client.get(settle_url(queue), {"item": item, "after": item}).status_code in (200, 400)
    assert client.post(settle_url(queue), sent).status_code == 200
