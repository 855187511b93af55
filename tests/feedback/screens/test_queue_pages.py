"""The pages of queues: the list, how it goes, the form, items, golden answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.urls import reverse

from feedback.models import GoldenAnswer, ReviewItem, ReviewLock, ReviewQueue
from feedback.services.reviewing import submit
from feedback.services.settling import add_golden
from tests.accounts.making import make_user
from tests.feedback.screens.making import browser, disagree, make_items, make_queue, opened

pytestmark = pytest.mark.django_db
FORM = {
    "name": "새 대기열", "deployment": "", "description": "", "guidelines": "", "answer": "label",
    "choices": "배송\n환불\n", "reviewers_per_item": "2", "golden_percent": "5", "lock_minutes": "10", "is_blind": "1",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:feedback_{name}", args=args)


def cards(html: str) -> dict[str, str]:
    """Give the prefix of each rule's card by the first of its own fields."""
    import re

    return {field: prefix for prefix, field in re.findall(r'name="(rule-\d+)-(\w+)"', html)}


def test_list_when_items_wait_says_how_many_and_leads_to_them() -> None:
    full, empty = make_queue(name="찬 것"), make_queue(name="빈 것")
    make_items(full, "하나", "둘")
    client = browser(make_user("reviewer"))
    html = client.get(page("reviewqueue_changelist")).content.decode()
    assert "1 queue has items for you" in html
    assert "Review 2" in html
    assert "Nothing for you" in html
    assert html.index(full.name) < html.index(empty.name)
    home = client.get(reverse("admin:index")).content.decode()
    assert "My reviews" in home
    assert page("reviewqueue_review", full.pk) in home


def test_page_when_people_have_judged_gives_figures_that_lead_to_their_rows() -> None:
    queue = make_queue()
    items = make_items(queue, *[f"글 {number}" for number in range(6)])
    people, *_others = [disagree(queue, item, "환불", "환불") for item in items[:4]]
    disagree(queue, items[4], "환불", "기타")
    client = browser(make_user("operator"))
    html = client.get(page("reviewqueue_change", queue.pk)).content.decode()
    assert "5 of 6 judged, 1 dispute is open" in html
    assert "Krippendorff" in html
    assert f"queue={queue.pk}&amp;state=disputed" in html
    listed = client.get(f"{page('reviewitem_changelist')}?queue={queue.pk}&state=disputed").content.decode()
    assert "글 4" in listed
    assert "글 1" not in listed
    by_person = client.get(f"{page('reviewitem_changelist')}?queue={queue.pk}&reviewer={people[0].pk}").content.decode()
    assert "글 0" in by_person
    assert "글 1" not in by_person
    assert "only what is decided" in by_person
    assert f"reviewer={people[0].pk}" in html


def test_page_when_a_reviewer_looks_tells_nothing_of_others() -> None:
    queue = make_queue(guidelines="규칙 하나")
    items = make_items(queue, "하나", "둘")
    people = disagree(queue, items[0], "환불", "기타")
    client = browser(make_user("reviewer"))
    html = client.get(page("reviewqueue_change", queue.pk)).content.decode()
    assert "규칙 하나" in html
    assert people[0].username not in html
    assert "reviewitem" not in html
    for address in (
        page("reviewitem_changelist"),
        page("reviewitem_change", items[0].pk),
        page("goldenanswer_changelist"),
    ):
        assert client.get(address).status_code == 403, address


def test_items_when_the_onlooker_could_still_judge_them_hide_the_answers() -> None:
    queue, operator = make_queue(), make_user("operator")
    (item,) = make_items(queue, "하나")
    disagree(queue, item, "환불")
    client, auditor = browser(operator), browser(make_user("auditor"))
    change, listed = page("reviewitem_change", item.pk), f"{page('reviewitem_changelist')}?queue={queue.pk}"
    assert "Hidden until you have judged it" in client.get(change).content.decode()
    assert "61\u00a0%" in auditor.get(change).content.decode()
    assert "hidden: blind" in client.get(listed).content.decode()
    assert "hidden: blind" not in auditor.get(listed).content.decode()
    assert client.get(f"{listed}&answer=환불").context["lines"] == []
    assert len(auditor.get(f"{listed}&answer=환불").context["lines"]) == 1
    submit(item=item, reviewer=operator, answer="기타")
    assert "61\u00a0%" in client.get(change).content.decode()


def test_items_when_there_are_more_than_a_page_go_on_by_key() -> None:
    queue = make_queue()
    make_items(queue, *[f"글 {number:03}" for number in range(120)])
    client = browser(make_user("auditor"))
    for filters in (f"queue={queue.pk}", f"queue={queue.pk}&state=waiting"):
        url, seen = f"{page('reviewitem_changelist')}?{filters}", []
        while url:
            context = client.get(url).context
            seen += [line.item.pk for line in context["lines"]]
            url = f"{page('reviewitem_changelist')}{context['older_url']}" if context["older_url"] else ""
        assert len(seen) == len(set(seen)) == 120


def test_form_when_filled_in_makes_a_queue_with_its_rules() -> None:
    client, reviewer = browser(make_user("operator")), make_user("reviewer")
    html = client.get(page("reviewqueue_add")).content.decode()
    below, down = cards(html)["below"], cards(html)["priority"]
    sent = {**FORM, below: "1", f"{below}-below": "0.4", f"{below}-most_per_day": "100", "reviewers": [reviewer.pk]}
    assert down
    assert client.post(page("reviewqueue_add"), sent).status_code == 302
    queue = ReviewQueue.objects.get(name="새 대기열")
    assert queue.choices == ["배송", "환불"]
    assert [(rule["kind"], rule["below"], rule["most_per_day"]) for rule in queue.rules] == [("low_score", 0.4, 100)]
    assert list(queue.reviewers.all()) == [reviewer]
    assert queue.lock_seconds == 600
    edit = page("reviewqueue_edit", queue.pk)
    again = client.get(edit).content.decode()
    first = cards(again)["below"]
    assert f'name="{first}" value="1" checked' in again
    known = queue.rules[0]["id"]
    changed = {**sent, "description": "바뀜", "choices": "배송\n환불\n교환"}
    changed = {name.replace(below, first): value for name, value in changed.items()}
    assert client.post(edit, changed).status_code == 302
    queue.refresh_from_db()
    assert (queue.description, queue.choices[-1], queue.rules[0]["id"]) == ("바뀜", "교환", known)


def test_form_when_something_is_wrong_says_where_and_keeps_what_was_typed() -> None:
    client = browser(make_user("operator"))
    below = cards(client.get(page("reviewqueue_add")).content.decode())["below"]
    sent = {**FORM, below: "1", f"{below}-below": "7", "description": "그대로"}
    html = client.post(page("reviewqueue_add"), sent).content.decode()
    assert "must be 0 to 1" in html
    assert "그대로" in html
    for fields, told in (
        ({"choices": "하나"}, "too few"),
        ({"reviewers_per_item": "0"}, "greater than"),
        ({"name": " "}, "required"),
    ):
        assert told in client.post(page("reviewqueue_add"), {**FORM, **fields}).content.decode(), fields
    make_queue(name="있음")
    assert "taken" in client.post(page("reviewqueue_add"), {**FORM, "name": "있음"}).content.decode()
    assert not ReviewQueue.objects.filter(name="새 대기열").exists()


def test_preview_when_a_rule_is_typed_tells_what_it_would_have_brought_or_what_is_wrong() -> None:
    client = browser(make_user("operator"))
    below = cards(client.get(page("reviewqueue_add")).content.decode())["below"]
    told = client.post(page("reviewqueue_preview"), {**FORM, below: "1", f"{below}-below": "0.5"}).json()
    assert told == {below: "There was nothing to look at in the last day."}
    told = client.post(page("reviewqueue_preview"), {**FORM, below: "1", f"{below}-below": "x", "queue": "x"}).json()
    assert "must be" in told[below]
    assert browser(make_user("reviewer")).post(page("reviewqueue_preview"), FORM).status_code == 403


def test_golden_item_when_made_by_hand_or_of_an_item_is_listed_with_how_people_did() -> None:
    queue = make_queue()
    (item,) = make_items(queue, "하나")
    client = browser(make_user("operator"))
    sent = {"text": "돈 돌려주세요", "answer": "환불", "explanation": "환불 규정"}
    assert client.post(page("reviewqueue_golden", queue.pk), sent).status_code == 302
    verb = reverse("admin:feedback_reviewitem_do", args=[item.pk, "golden"])
    assert 'data-key="2"' in client.get(verb).content.decode()
    assert client.post(verb, {"answer": "배송", "explanation": ""}).status_code == 302
    assert GoldenAnswer.objects.count() == 2
    by_hand = ReviewItem.objects.get(reason="by_hand", golden__answer="환불")
    submit(item=by_hand, reviewer=make_user("reviewer"), answer="기타")
    html = client.get(page("goldenanswer_changelist")).content.decode()
    assert "돈 돌려주세요" in html
    assert "0\u00a0%" in html
    assert "환불 규정" in client.get(page("goldenanswer_change", by_hand.pk)).content.decode()


def test_golden_item_when_its_text_or_answer_is_missing_is_refused() -> None:
    queue, client = make_queue(), browser(make_user("operator"))
    for sent in ({"text": "", "answer": "환불"}, {"text": "글"}, {"text": "글", "answer": "없는 라벨"}):
        assert client.post(page("reviewqueue_golden", queue.pk), sent).status_code == 200
    assert not GoldenAnswer.objects.exists()


def test_item_when_before_somebody_can_be_set_free_or_given_to_another() -> None:
    queue = make_queue()
    (item,) = make_items(queue, "하나")
    holder, other, operator = make_user("reviewer"), make_user("reviewer"), make_user("operator")
    opened(browser(holder), queue)
    client = browser(operator)
    assert holder.username in client.get(page("reviewqueue_change", queue.pk)).content.decode()
    give = reverse("admin:feedback_reviewitem_do", args=[item.pk, "reassign"])
    assert client.post(give, {"reviewer": holder.pk, "to": other.pk, "reason": "휴가"}).status_code == 302
    assert ReviewLock.objects.get().reviewer == other
    free = reverse("admin:feedback_reviewitem_do", args=[item.pk, "release"])
    assert client.post(free, {"reviewer": other.pk, "reason": "휴가"}).status_code == 302
    assert not ReviewLock.objects.exists()


def test_queue_when_closed_and_opened_again_by_verbs_says_so() -> None:
    queue, client = make_queue(), browser(make_user("operator"))
    make_items(queue, "하나")
    for verb, told in (("close", "is closed"), ("reopen", "0 of 1 judged")):
        client.post(reverse("admin:feedback_reviewqueue_do", args=[queue.pk, verb]), {"reason": "끝"})
        assert told in client.get(page("reviewqueue_change", queue.pk)).content.decode()


def test_pages_when_there_are_more_rows_take_no_more_queries(django_assert_num_queries: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = browser(make_user("operator"))
    counted = []
    for _round in range(2):
        for _number in range(4):
            queue = make_queue()
            disagree(queue, make_items(queue, "하나", "둘")[0], "환불", "기타")
            add_golden(queue=queue, actor=queue.owner, input={"text": "금"}, answer="환불")
        found = []
        for name in ("reviewqueue_changelist", "reviewitem_changelist", "goldenanswer_changelist"):
            client.get(page(name))
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page(name)).status_code == 200
            found.append(len(captured))
        counted.append(found)
    assert counted[0] == counted[1]
    assert max(counted[0]) <= 17
