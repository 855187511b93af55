"""A recipe in a browser: written, tried, saved, run."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.person import MakePage, keep_picture, log_in
from tests.site import Site

ROWS = ["질문,라벨", "  배송이   언제 오나요? ,배송", "배송이 언제 오나요?,배송", "ＡＢＣ 상품 있나요？,재고", ",기타"]
YAML = "name: {name}\nsteps:\n- kind: white_space\n- kind: duplicates\n  params: {{columns: [질문]}}\n"

SAVE_ELSEWHERE = """async () => {
  const page = JSON.parse(document.getElementById("recipe-page").textContent);
  const token = document.querySelector("#recipe [name=csrfmiddlewaretoken]").value;
  const body = JSON.stringify({ steps: page.steps.slice(1), based_on: 1, note: "" });
  const reply = await fetch(page.saveUrl, { method: "POST", body, headers: { "X-CSRFToken": token } });
  return (await reply.json()).number;
}"""


def test_person_when_writing_a_recipe_then_sees_what_each_step_does_and_runs_it(
    site: Site, make_page: MakePage, tmp_path: Path
) -> None:
    rows = tmp_path / "문의.csv"
    rows.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    site.manage("import_dataset", str(rows), "--name", "문의")
    page = make_page(1440, 950)
    log_in(page)
    begin(page)
    add(page, "normalise")
    add(page, "duplicates")
    add(page, "white_space")
    preview = page.locator("[data-rc=preview]")
    expect(preview).to_contain_text("4 → 4")
    expect(preview.locator("ins mark").first).to_be_visible()
    heads = page.locator(".rc-head-button")
    heads.nth(2).focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator(".rc-open .rc-number")).to_have_text("2")
    heads.nth(2).click()
    expect(preview).to_contain_text("4 → 3")
    expect(preview.locator("tr.rc-dropped")).to_have_count(1)
    keep_picture(page, "recipe")
    undo_a_deletion(page)
    save_and_come_back(page)
    run(page)


def begin(page: Page) -> None:
    page.goto("/admin/datasets/recipe/new/")
    page.locator("input[name=name]").fill("다듬기")
    page.locator("form .fm-primary").click()
    expect(page.locator("[data-rc=none]")).to_be_visible()


def add(page: Page, kind: str) -> None:
    page.keyboard.press("a") if page.evaluate("document.activeElement === document.body") else page.locator(
        "[data-rc=add]"
    ).click()
    page.locator(f".rc-kind[value={kind}]").click()
    expect(page.locator(".rc-open .rc-rows, .rc-open .rc-body").last).to_be_visible()


def undo_a_deletion(page: Page) -> None:
    page.locator(".rc-head-button").nth(0).focus()
    page.keyboard.press("Delete")
    expect(page.locator(".rc-card")).to_have_count(2)
    page.locator("[data-rc=toast-undo]").click()
    expect(page.locator(".rc-card")).to_have_count(3)


def save_and_come_back(page: Page) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator("[data-rc=unsaved]")).to_be_hidden()
    expect(page.locator("[data-rc=number]")).to_contain_text("2")
    page.reload()
    kinds = page.evaluate("JSON.parse(document.getElementById('recipe-page').textContent).steps.map((one) => one.kind)")
    assert kinds == ["normalise", "white_space", "duplicates"]


def run(page: Page) -> None:
    page.locator("[data-rc=run]").click()
    page.locator("input[name=to]").fill("깨끗한 문의")
    page.locator("form .fm-primary").click()
    expect(page).to_have_url(re.compile(r"/preprocessingjob/.+"))
    expect(page.locator(".fm-headline")).to_contain_text("깨끗한 문의 v1")


def test_person_when_somebody_saved_meanwhile_then_nothing_is_lost(site: Site, make_page: MakePage) -> None:
    page = make_page(390, 844)
    log_in(page)
    page.goto("/admin/datasets/recipe/new/")
    page.locator("summary").click()
    page.locator("textarea[name=yaml]").fill(YAML.format(name="둘이서"))
    page.locator("form .fm-primary").click()
    expect(page.locator(".rc-card")).to_have_count(2)
    assert page.evaluate(SAVE_ELSEWHERE) == 2
    page.locator(".rc-body .rc-icon").nth(2).click()
    expect(page.locator(".rc-card")).to_have_count(3)
    page.locator("[data-rc=save]").click()
    failed = page.locator("[data-rc=failed]")
    expect(failed).to_contain_text("2")
    expect(page.locator(".rc-card")).to_have_count(3)
    failed.locator("button").click()
    expect(page.locator("[data-rc=number]")).to_contain_text("3")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    keep_picture(page, "recipe-phone")
