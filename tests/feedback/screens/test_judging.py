"""The screen on which items are judged: with a script, without one, and when something goes wrong."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from feedback.handles import handle_of
from feedback.models import Review, ReviewItem, ReviewLock
from feedback.services.queues import close_queue
from feedback.services.reviewing import submit
from feedback.services.settling import make_golden
from tests.accounts.making import make_user
from tests.feedback.screens.making import SCRIPT, browser, make_items, make_queue, opened, review_url

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def test_item_when_the_queue_is_blind_shows_its_text_and_keys_but_nothing_of_the_model() -> None:
    queue = make_queue()
    make_items(queue, "언제 오나요?", model="intent", version=3)
    html, _form = opened(browser(make_user("reviewer")), queue)
    assert "언제 오나요?" in html
    assert 'value="환불" data-key="2"' in html
    assert "The model answered" not in html
    assert "intent v3" not in html
    assert "61\u00a0%" not in html


def test_item_when_the_queue_is_open_eyed_shows_what_the_model_answered() -> None:
    queue = make_queue(is_blind=False)
    make_items(queue, "언제 오나요?", model="intent", version=3)
    html, _form = opened(browser(make_user("reviewer")), queue)
    assert "The model answered" in html
    assert "61\u00a0%" in html


def test_answer_when_sent_by_the_script_brings_the_next_item() -> None:
    queue, person = make_queue(reviewers_per_item=1), make_user("reviewer")
    make_items(queue, "하나", "둘")
    client = browser(person)
    html, form = opened(client, queue)
    sent = {**form, "do": "submit", "answer": "환불", "note": "확실함", "flagged": "1"}
    got = client.post(review_url(queue), sent, headers=SCRIPT).json()
    review = Review.objects.get()
    assert (review.answer, review.note, review.is_flagged, review.reviewer) == ("환불", "확실함", True, person)
    other = "둘" if "하나" in html else "하나"
    assert other in got["html"]
    assert "1 of 2 judged" in got["html"]


def test_answer_when_sent_twice_is_kept_once_with_and_without_script() -> None:
    queue = make_queue()
    make_items(queue, "하나", "둘")
    client = browser(make_user("reviewer"))
    sent = {**opened(client, queue)[1], "do": "submit", "answer": "환불"}
    for _again in range(2):
        assert "html" in client.post(review_url(queue), sent, headers=SCRIPT).json()
        assert client.post(review_url(queue), sent).status_code == 302
    assert Review.objects.count() == 1
    assert ReviewLock.objects.count() == 1


def test_answer_when_others_took_the_item_keeps_what_was_chosen_on_the_page() -> None:
    queue = make_queue(reviewers_per_item=1, answer="text", choices=[])
    (item,) = make_items(queue, "하나")
    client = browser(make_user("reviewer"))
    form = opened(client, queue)[1]
    ReviewLock.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    other = make_user("reviewer")
    opened(browser(other), queue)
    submit(item=item, reviewer=other, answer="다른 답")
    sent = {**form, "do": "submit", "answer": "내가 쓴 긴 답", "note": "내 메모"}
    refused = client.post(review_url(queue), sent, headers=SCRIPT).json()
    assert refused["isGone"] is True
    assert "decided" in refused["error"]
    html = client.post(review_url(queue), sent).content.decode()
    assert "내가 쓴 긴 답" in html
    assert "내 메모" in html
    assert refused["error"] in html


def test_skip_when_no_reason_is_given_asks_for_one_and_takes_free_words() -> None:
    queue = make_queue()
    make_items(queue, "하나", "둘")
    client = browser(make_user("reviewer"))
    form = opened(client, queue)[1]
    assert "Say why" in client.post(review_url(queue), {**form, "do": "skip"}, headers=SCRIPT).json()["error"]
    client.post(review_url(queue), {**form, "do": "skip", "other_reason": "사진이 없음"}, headers=SCRIPT)
    form = opened(client, queue)[1]
    client.post(review_url(queue), {**form, "do": "skip", "reason": "no_label"}, headers=SCRIPT)
    assert set(Review.objects.values_list("skip_reason", "state")) == {
        ("사진이 없음", "skipped"),
        ("no_label", "skipped"),
    }


def test_undo_when_sent_twice_takes_back_one_answer_and_shows_it_again() -> None:
    queue = make_queue()
    make_items(queue, "하나", "둘", "셋")
    client = browser(make_user("reviewer"))
    for _item in range(2):
        client.post(review_url(queue), {**opened(client, queue)[1], "do": "submit", "answer": "기타", "note": "흠"})
    sent = {**opened(client, queue)[1], "do": "undo"}
    html = client.post(review_url(queue), sent, headers=SCRIPT).json()["html"]
    assert 'value="기타" data-key="3" checked' in html
    assert "흠" in html
    client.post(review_url(queue), sent, headers=SCRIPT)
    assert Review.objects.filter(state="undone").count() == 1
    assert Review.objects.filter(state="counts").count() == 1


def test_keep_when_asked_prolongs_and_tells_the_seconds_and_nought_where_it_is_gone() -> None:
    queue = make_queue(lock_seconds=300)
    make_items(queue, "하나")
    client = browser(make_user("reviewer"))
    html, form = opened(client, queue)
    ReviewLock.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
    assert 290 <= client.post(review_url(queue), {**form, "do": "keep"}, headers=SCRIPT).json()["left"] <= 300
    ReviewLock.objects.all().delete()
    assert client.post(review_url(queue), {**form, "do": "keep"}, headers=SCRIPT).json() == {"left": 0}
    assert re.search(r'data-left="(300|29\d)"', html)


def test_state_when_there_is_no_item_says_why_and_where_to_go() -> None:
    person = make_user("operator")
    client = browser(person)
    empty, closed, foreign, done = (
        make_queue(),
        make_queue(),
        make_queue(reviewers=[make_user("reviewer")]),
        make_queue(),
    )
    assert "Nothing has come yet" in opened(client, empty)[0]
    make_items(closed, "하나")
    close_queue(queue=closed, actor=person)
    assert "This queue is closed" in opened(client, closed)[0]
    make_items(foreign, "하나")
    assert "not among the reviewers" in opened(client, foreign)[0]
    (item,) = make_items(done, "하나")
    submit(item=item, reviewer=person, answer="환불")
    assert "Nothing is left for you now" in opened(client, done)[0]
    submit(item=item, reviewer=make_user("reviewer"), answer="기타")
    html = opened(client, done)[0]
    assert "Everything here is judged" in html
    assert "Settle the disputes" in html
    assert 'name="do" value="undo"' in html
    make_items(empty, "새로 옴")
    assert f"Go on with {empty.name}" in opened(client, done)[0]


@pytest.mark.parametrize(
    ("fields", "sent", "kept", "control"),
    [
        ({"answer": "labels"}, ["기타", "배송"], ["배송", "기타"], 'type="checkbox" name="answer" value="기타"'),
        ({"answer": "rating", "choices": []}, "4", 4, 'name="answer" value="5" data-key="5"'),
        ({"answer": "text", "choices": []}, " 두 줄\n답 ", "두 줄\n답", "<textarea"),
    ],
)
def test_answer_when_of_another_kind_has_its_own_control(
    fields: dict[str, object], sent: object, kept: object, control: str
) -> None:
    queue = make_queue(**fields)
    make_items(queue, "하나")
    client = browser(make_user("reviewer"))
    html, form = opened(client, queue)
    assert control in html
    client.post(review_url(queue), {**form, "do": "submit", "answer": sent})
    assert Review.objects.get().answer == kept


def test_golden_item_when_shown_looks_like_any_other() -> None:
    queue = make_queue(golden_percent=50)
    first, _second = make_items(queue, "하나하나", "둘둘둘둘")
    golden = make_golden(item=first, actor=make_user("operator"), answer="환불")
    pages = {}
    for _try in range(60):
        html, form = opened(browser(make_user("reviewer")), queue)
        item = ReviewItem.objects.get(locks__isnull=False)
        pages[item.pk] = html.replace("하나하나", "둘둘둘둘").replace(form["item"], "")
        assert form["item"] == handle_of(item.pk)
        ReviewLock.objects.all().delete()
        ReviewItem.objects.update(places_taken=0)
        if len(pages) == 2:
            break
    assert golden.pk in pages
    plain, gold = (strip_tokens(html) for html in pages.values())
    assert plain == gold


def strip_tokens(html: str) -> str:
    body = html[html.index('<div id="review"') :]
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|data-left="\d+"', "", body)


def test_item_when_its_handle_is_nonsense_is_refused_kindly() -> None:
    queue, client = make_queue(), browser(make_user("reviewer"))
    for item in ("", "7", "zz", "0" * 16, "f" * 16, "0" * 400, "\0", "٣" * 16):
        for do in ("submit", "skip", "keep", "undo", "nonsense"):
            sent = {"item": item, "do": do, "answer": "환불", "reason": "unclear", "last": item}
            assert client.post(review_url(queue), sent, headers=SCRIPT).status_code == 200
    assert client.post(review_url(queue), sent).status_code == 200


def test_item_when_its_text_is_a_script_is_shown_as_text() -> None:
    queue = make_queue(choices=["<b>굵게</b>", "기타"], guidelines="<img src=x onerror=alert(1)>")
    make_items(queue, "<script>alert(1)</script>")
    html, _form = opened(browser(make_user("reviewer")), queue)
    assert "<script>alert(1)" not in html
    assert "<b>굵게" not in html
    assert "<img src=x" not in html


def test_labels_when_many_have_keys_while_there_are_some_and_a_search() -> None:
    labels = [f"라벨 {number}" for number in range(40)]
    queue = make_queue(choices=labels)
    make_items(queue, "하나")
    html, _form = opened(browser(make_user("reviewer")), queue)
    assert 'value="라벨 9" data-key="0"' in html
    assert 'value="라벨 10" data-key="a"' in html
    assert 'value="라벨 39">' in html
    assert "data-narrow" in html


def test_screen_when_somebody_may_not_review_is_refused() -> None:
    queue = make_queue()
    assert browser(make_user("auditor")).get(review_url(queue)).status_code == 403
    assert browser(make_user("reviewer")).get(review_url(queue)[:-8] + "9/review/").status_code == 404


def test_screen_when_there_are_many_items_takes_no_more_queries(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    queue = make_queue()
    make_items(queue, *[f"글 {number}" for number in range(60)])
    client = browser(make_user("reviewer"))
    form = opened(client, queue)[1]
    with django_assert_max_num_queries(45):
        client.post(review_url(queue), {**form, "do": "submit", "answer": "환불"}, headers=SCRIPT)
