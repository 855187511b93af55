"""Judging in a browser: by keys alone, by two people, on a phone, without a network for a while."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from common.ids import uuid7
from feedback.models import ReviewQueue
from feedback.rules import Source
from feedback.services.filling import add_items
from feedback.services.queues import create_queue
from tests.accounts.making import make_user
from tests.browser.person import MakePage, come_in, keep_picture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_in_a_loop")]
TEXT = "주문한 물건이 언제 도착하는지 알고 싶어요. "
LONG_LABELS = [
    "아주아주긴라벨이름입니다" * 6,
    "label_without_any_place_to_break_" * 3,
    *[f"라벨 {n}" for n in range(20)],
]
HANGUL_S = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ㄴ', code: 'KeyS', bubbles: true}))"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def person() -> User:
    """Give somebody who judges and settles."""
    return make_user("operator", username="손준")


def make_queue(name: str, count: int, person: User, **fields: Any) -> str:
    """Make a queue of so many questions; give where it is judged."""
    told = {
        "answer": "label",
        "choices": ["배송", "환불", "교환 및 반품"],
        "golden_percent": 0,
        "reviewers_per_item": 1,
    }
    queue = create_queue(name=name, actor=person, **(told | fields))
    texts = [f"{number + 1}번 문의: {TEXT * (number % 3 + 1)}" for number in range(count)]
    output = {"label": "배송", "score": 0.41}
    add_items(
        queue=queue,
        sources=[Source(key=uuid7().hex, input={"text": text}, output=output) for text in texts],
        actor=person,
    )
    return f"/admin/feedback/reviewqueue/{queue.pk}/review/"


SMALL = """() => [...document.querySelectorAll(".rv-form button, .rv-choice, .rv-form summary")]
    .filter((one) => one.offsetParent && one.offsetHeight < 44).map((one) => one.outerHTML.slice(0, 80))"""


def item(page: Page) -> str:
    return page.locator("[data-item]").inner_text()


def answer(page: Page, key: str) -> None:
    """Choose with a key and send; return when the next item is there."""
    before = item(page)
    page.keyboard.press(key)
    expect(page.locator(f"[data-key='{key}']").first).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("[data-item]")).not_to_have_text(before, use_inner_text=True)


def test_person_when_judging_with_keys_alone_answers_undoes_skips_and_notes(
    person: User, make_live_page: MakePage, live_server: Any
) -> None:
    queue = make_queue("문의 분류", 15, person, guidelines="물건이 오지 않으면 배송입니다.")
    page = make_live_page(1440, 900)
    come_in(page, live_server.url, person)
    page.goto(queue)
    keep_picture(page, "review")
    seen = set()
    for number in range(10):
        seen.add(item(page))
        answer(page, str(number % 3 + 1))
    assert len(seen) == 10
    expect(page.locator(".rv-progress")).to_contain_text("15건 중 10건")
    last = item(page)
    page.keyboard.press("u")
    expect(page.locator("[data-item]")).not_to_have_text(last, use_inner_text=True)
    assert item(page) in seen
    expect(page.locator("[name=answer][data-key='1']")).to_be_checked()
    answer(page, "2")
    skip_and_note(page)
    page.keyboard.press("Enter")
    expect(page.locator("[data-failed]")).to_be_visible()
    page.locator("[name=answer][data-key='1']").check()
    page.locator(".rv-send").dblclick()
    expect(page.locator(".rv-progress")).to_contain_text("오늘 내가 12건")


def skip_and_note(page: Page) -> None:
    """Skip with a keyboard that writes Hangul; flag and note the next one."""
    before = item(page)
    page.evaluate(HANGUL_S)
    expect(page.locator("details.rv-skip")).to_have_attribute("open", "")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-item]")).not_to_have_text(before, use_inner_text=True)
    page.keyboard.press("f")
    page.keyboard.press("n")
    page.keyboard.type("snu: 규칙이 애매함")
    page.keyboard.press("Escape")
    answer(page, "3")
    page.keyboard.press("?")
    expect(page.locator("#review-keys")).to_be_visible()
    keep_picture(page, "review-keys")
    page.keyboard.press("Escape")


def test_people_when_two_judge_one_queue_are_given_different_items_and_one_settles(
    person: User, make_live_page: MakePage, live_server: Any
) -> None:
    single, double = make_queue("하나씩", 8, person), make_queue("둘이 보기", 2, person, reviewers_per_item=2)
    people = [person, make_user("reviewer", username="민지")]
    pages = [make_live_page(900, 800) for _person in people]
    for page, somebody in zip(pages, people, strict=True):
        come_in(page, live_server.url, somebody)
        page.goto(single)
    for _round in range(2):
        assert item(pages[0]) != item(pages[1])
        for page in pages:
            answer(page, "2")
    for page, key in zip(pages, "12", strict=True):
        page.goto(double)
        for _item in range(2):
            answer(page, key)
        expect(page.locator(".rv-state")).to_be_visible()
    settler = make_live_page(1440, 900)
    come_in(settler, live_server.url, make_user("operator", username="지우"))
    settler.goto(double.replace("review/", "settle/"))
    keep_picture(settler, "settle")
    answer(settler, "1")
    settler.keyboard.press("0")
    settler.keyboard.press("3")
    settler.keyboard.press("Enter")
    expect(settler.locator(".rv-state")).to_be_visible()
    assert set(ReviewQueue.objects.get(name="둘이 보기").items.values_list("state", flat=True)) == {"settled"}


def test_pages_when_on_a_phone_are_no_wider_than_the_screen(
    person: User, make_live_page: MakePage, live_server: Any
) -> None:
    queues = {
        "label": make_queue("문의 분류", 2, person),
        "long": make_queue("긴 라벨", 2, person, choices=LONG_LABELS, is_blind=False),
        "text": make_queue("고쳐 쓰기", 3, person, answer="text", choices=[]),
        "rating": make_queue("별점", 2, person, answer="rating", choices=[]),
    }
    first = queues["label"]
    queues |= {"queue": first.replace("review/", "change/"), "form": first.replace("review/", "edit/")}
    queues |= {"queues": "/admin/feedback/reviewqueue/", "items": "/admin/feedback/reviewitem/"}
    page = make_live_page(390, 844)
    come_in(page, live_server.url, person)
    for name, address in queues.items():
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(address)
        keep_picture(page, f"review-{name}-phone")
        for width in (390, 360):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, (name, width)
        assert page.evaluate(SMALL) == []
    page.goto(queues["text"])
    page.locator("textarea[name=answer]").click()
    page.keyboard.type("고친 답")
    page.locator(".rv-send").click()
    expect(page.locator(".rv-progress")).to_contain_text(re.compile("3건 중 1건"))


def test_answer_when_the_network_is_away_stays_and_is_sent_when_it_is_back(
    person: User, live_server: Any, chromium: Browser
) -> None:
    queue = make_queue("별점", 2, person, answer="rating", choices=[])
    page = chromium.new_page(base_url=live_server.url, locale="ko-KR")
    come_in(page, live_server.url, person)
    page.goto(queue)
    page.context.set_offline(True)
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-failed]")).to_contain_text("다시 보냅니다")
    expect(page.locator("[name=answer][data-key='4']")).to_be_checked()
    page.context.set_offline(False)
    expect(page.locator(".rv-progress")).to_contain_text("오늘 내가 1건")
    expect(page.locator("[data-failed]")).to_be_hidden()
    page.close()
