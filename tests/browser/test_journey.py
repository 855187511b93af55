"""What a person does, in a browser, against the real processes: from an uploaded folder to an audited prediction."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.person import MakePage, keep_picture, log_in
from tests.runner.making import make_folder

KOREAN_FILE = "읽어보기 – 첫 모델.txt"


def test_person_when_going_from_upload_to_audit_then_sees_each_step(make_page: MakePage, tmp_path: Path) -> None:
    page = make_page(1280, 900)
    log_in(page)
    keep_picture(page, "home")
    upload(page, make_folder(tmp_path / "model"))
    follow_check(page)
    deploy(page)
    request_id = try_it(page)
    find_in_log(page, request_id)
    find_in_audit(page)
    log_out(page)


def upload(page: Page, folder: Path) -> None:
    (folder / KOREAN_FILE).write_text("네 수의 합과 그 두 배", encoding="utf-8")
    page.get_by_role("link", name="첫 모델 올리기").click()
    page.get_by_role("link", name="모델 올리기").click()
    page.locator("#pick-files").set_input_files(sorted(folder.iterdir()))
    expect(page.locator("#chosen")).to_contain_text(KOREAN_FILE)
    page.get_by_label("모델", exact=True).fill("합-두배")
    keep_picture(page, "upload")
    page.get_by_role("button", name="올리고 검사하기").click()
    expect(page).to_have_url(re.compile(r"/modelversion/.+"))


def follow_check(page: Page) -> None:
    page.evaluate("window.isSamePage = true")
    headline = page.locator(".fm-headline")
    expect(headline).to_contain_text("합-두배 v1")
    expect(headline).to_contain_text("검사를 통과했고 배포할 수 있습니다", timeout=60_000)
    assert page.evaluate("window.isSamePage"), "the page was loaded anew"
    expect(page.get_by_role("listitem").filter(has_text="모델 읽기")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=KOREAN_FILE)).to_be_visible()
    keep_picture(page, "version")


def deploy(page: Page) -> None:
    page.locator(".fm-primary", has_text="배포").click()
    page.get_by_label("이름").fill("합계")
    page.get_by_label("사유").fill("첫 배포")
    page.get_by_role("button", name="배포").click()
    expect(page.locator(".fm-headline")).to_contain_text("합-두배 v1 서비스 중, 정상", timeout=60_000)
    keep_picture(page, "deployment")


def try_it(page: Page) -> str:
    """Give the id of the call that was made."""
    page.get_by_role("link", name="사용해 보기").click()
    box = page.get_by_role("textbox", name="x")
    box.fill("1, 2, 3, vier")
    page.get_by_role("button", name="실행").click()
    expect(page.locator("[data-error]")).not_to_be_empty()
    box.fill("1, 2, 3, 4")
    page.get_by_role("button", name="실행").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("합-두배 v1")
    for said in ("10", "20"):
        expect(answer.get_by_text(said, exact=True)).to_be_visible()
    expect(page.locator("[data-error]")).to_be_empty()
    keep_picture(page, "try")
    link = page.get_by_role("link", name="요청 기록에서 보기").get_attribute("href") or ""
    return re.findall(r"[0-9a-f-]{36}", link)[0]


def find_in_log(page: Page, request_id: str) -> None:
    page.locator("a[href='/admin/inference/inferencerequest/']").first.click()
    page.get_by_role("searchbox").fill(request_id)
    page.get_by_role("searchbox").press("Enter")
    rows = page.locator(".sv-log-row")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("손준")
    keep_picture(page, "requests")
    rows.click()
    expect(page.locator(".fm-headline")).to_contain_text("합계 v1")
    for said in (request_id, "합-두배 v1", "사용해 보기 화면"):
        expect(page.get_by_text(said).first).to_be_visible()
    for title, value in (("질문", "3"), ("답", "20")):
        card = page.locator("section").filter(has=page.get_by_role("heading", name=re.compile(f"^{title}")))
        expect(card.get_by_text(value, exact=True)).to_be_visible()
    keep_picture(page, "request")


def find_in_audit(page: Page) -> None:
    page.get_by_role("link", name=re.compile("감사 기록$")).click()
    for said in (
        "손준 님이 합계 배포에 합-두배 v1 버전을 올렸습니다",
        "합-두배 v1이 검사를 통과했습니다",
        "손준 님이 로그인했습니다",
    ):
        expect(page.get_by_text(said).first).to_be_visible()
    keep_picture(page, "audit")
    page.get_by_role("link", name=re.compile("버전을 올렸습니다")).click()
    expect(page.get_by_text("첫 배포", exact=True)).to_be_visible()
    keep_picture(page, "audit-event")


def log_out(page: Page) -> None:
    page.get_by_text("손준", exact=True).first.click()
    page.get_by_role("button", name="로그아웃").click()
    expect(page.get_by_role("link", name="다시 로그인하기")).to_be_visible()
    page.goto("/admin/audit/auditevent/")
    expect(page.get_by_role("button", name="로그인")).to_be_visible()
    expect(page.get_by_text("버전을 올렸습니다")).to_have_count(0)
