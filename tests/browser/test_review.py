"""Judging in a browser: by keys alone, by two people, on a phone, without a network for a while."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.person import PASSWORD, MakePage, keep_picture, log_in
from tests.site import Site

MAKE = """
from accounts.models import User
from common.ids import uuid7
from feedback.rules import Source
from feedback.services.filling import add_items
from feedback.services.queues import create_queue
me = User.objects.get(username="손준")
def make(name, count, **fields):
    queue = create_queue(name=name, actor=me, **({"answer": "label", "choices": ["배송", "환불", "교환 및 반품"],
        "golden_percent": 0, "reviewers_per_item": 1} | fields))
    texts = [f"{n + 1}번 문의: " + "주문한 물건이 언제 도착하는지 알고 싶어요. " * (n % 3 + 1) for n in range(count)]
    sources = [Source(key=uuid7().hex, input={"text": text}, output={"label": "배송", "score": 0.41}) for text in texts]
    add_items(queue=queue, sources=sources, actor=me)
    return queue.pk
long_labels = ["아주아주긴라벨이름입니다" * 6, "label_without_any_place_to_break_" * 3]
long_labels += [f"라벨 {n}" for n in range(20)]
print(make("문의 분류", 30, guidelines="물건이 오지 않으면 배송입니다."), make("긴 라벨", 3, choices=long_labels),
      make("고쳐 쓰기", 3, answer="text", choices=[], is_blind=False), make("별점", 3, answer="rating", choices=[]),
      make("둘이 보기", 4, reviewers_per_item=2))
"""
HANGUL_S = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ㄴ', code: 'KeyS', bubbles: true}))"


@pytest.fixture(scope="module")
def queues(site: Site) -> dict[str, str]:
    """Give where queues are judged, by what they ask."""
    site.manage("create_user", "민지", "--role", "operator", "--password-stdin", typed=PASSWORD)
    keys = site.manage("shell", "-v", "0", "-c", MAKE).split()[-5:]
    names = ("label", "long", "text", "rating", "two")
    return {name: f"/admin/feedback/reviewqueue/{key}/review/" for name, key in zip(names, keys, strict=True)}


def item(page: Page) -> str:
    return page.locator("[data-item]").inner_text()


def answer(page: Page, key: str) -> None:
    """Choose with a key and send; return when the next item is there."""
    before = item(page)
    page.keyboard.press(key)
    expect(page.locator(f"[data-key='{key}']")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("[data-item]")).not_to_have_text(before, use_inner_text=True)


def log_in_as(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("사용자 이름").fill(name)
    page.get_by_label("비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="로그인").click()
    expect(page).to_have_url("/admin/")


def test_person_when_judging_with_keys_alone_answers_undoes_skips_and_notes(
    queues: dict[str, str], make_page: MakePage
) -> None:
    page = make_page(1440, 900)
    log_in(page)
    expect(page.locator("body")).to_contain_text("문의 분류")
    page.goto(queues["label"])
    keep_picture(page, "review")
    seen = set()
    for number in range(10):
        seen.add(item(page))
        answer(page, str(number % 3 + 1))
    assert len(seen) == 10
    expect(page.locator(".rv-progress")).to_contain_text("10")
    last = item(page)
    page.keyboard.press("u")
    expect(page.locator("[data-item]")).not_to_have_text(last, use_inner_text=True)
    assert item(page) in seen
    expect(page.locator("[data-key='1']")).to_be_checked()
    answer(page, "2")
    page.evaluate(HANGUL_S)
    expect(page.locator("details.rv-skip")).to_have_attribute("open", "")
    before = item(page)
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
    page.keyboard.press("Enter")
    expect(page.locator("[data-failed]")).to_be_visible()
    page.locator("[data-key='1']").check()
    page.locator(".rv-send").dblclick()
    expect(page.locator(".rv-progress")).to_contain_text("오늘 내가 12건")


def test_people_when_two_judge_one_queue_never_see_one_item_at_once(
    queues: dict[str, str], make_page: MakePage
) -> None:
    pages = [make_page(900, 800) for _person in range(2)]
    for page, name in zip(pages, ("손준", "민지"), strict=True):
        log_in_as(page, name)
        page.goto(queues["label"])
    for _round in range(3):
        one, other = (item(page) for page in pages)
        assert one != other
        for page in pages:
            answer(page, "2")
    for page, key in zip(pages, "12", strict=True):
        page.goto(queues["two"])
        for _item in range(4):
            page.keyboard.press(key)
            page.keyboard.press("Enter")
            expect(page.locator("[aria-busy]")).to_have_count(0)
            page.wait_for_function("!document.querySelector('[data-key]:checked')")
    expect(pages[1].locator(".rv-state")).to_be_visible()


def test_pages_when_on_a_phone_are_no_wider_than_the_screen(queues: dict[str, str], make_page: MakePage) -> None:
    for width in (390, 360):
        page = make_page(width, 844)
        log_in(page)
        for name, address in queues.items():
            page.goto(address)
            keep_picture(page, f"review-{name}-{width}")
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, (name, width)
            small = page.evaluate(
                "[...document.querySelectorAll('.rv-form button, .rv-choice, .rv-form summary')]"
                ".filter((one) => one.offsetParent && one.offsetHeight < 44).map((one) => one.outerHTML.slice(0, 80))"
            )
            assert small == []
        page.close()
    page = make_page(390, 844)
    log_in(page)
    page.goto(queues["text"])
    page.locator("textarea[name=answer]").click()
    page.keyboard.type("고친 답")
    page.locator(".rv-send").click()
    expect(page.locator(".rv-progress")).to_contain_text(re.compile("3건 중 1건"))


def test_answer_when_the_network_is_away_stays_and_is_sent_when_it_is_back(
    site: Site, queues: dict[str, str], chromium: Browser
) -> None:
    home = f"http://127.0.0.1:{site.installation.port}"
    page = chromium.new_page(base_url=home, locale="ko-KR")
    log_in(page)
    page.goto(queues["rating"])
    page.context.set_offline(True)
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-failed]")).to_contain_text("다시 보냅니다")
    expect(page.locator("[data-key='4']")).to_be_checked()
    page.context.set_offline(False)
    expect(page.locator(".rv-progress")).to_contain_text("오늘 내가 1건", timeout=20_000)
    expect(page.locator("[data-failed]")).to_be_hidden()
    page.close()
