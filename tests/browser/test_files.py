"""Files in a browser: a large upload that is paused, left, and gone on with after the page is loaded anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.person import MakePage, keep_picture, log_in
from tests.house.installation import ROOT

SIZE = 150_000_000
UPLOAD = "/admin/files/storedfile/upload/"


def test_upload_when_paused_and_the_page_is_loaded_anew_then_goes_on_where_it_stopped(
    make_page: MakePage, tmp_path: Path
) -> None:
    page = make_page(1440, 900)
    log_in(page)
    path = tmp_path / "큰 데이터.bin"
    path.write_bytes(os.urandom(1_000_000) * (SIZE // 1_000_000))
    page.goto(UPLOAD)
    # Slow enough that it can be paused.
    network = page.context.new_cdp_session(page)
    speed = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000_000}
    network.send("Network.emulateNetworkConditions", speed)
    page.locator("#pick-files").set_input_files(path)
    row = page.locator(".fl-item")
    expect(row.locator(".fl-buttons")).to_contain_text("멈추기")
    page.wait_for_function("() => parseFloat(document.querySelector('.fl-item i').style.width) > 20")
    row.get_by_role("button", name="멈추기").click()
    expect(row).to_contain_text("멈춤")
    page.wait_for_timeout(500)  # the server notices that the connection has gone
    page.reload()
    expect(row).to_contain_text("같은 파일을 다시 고르면")
    kept = int(row.get_attribute("data-offset") or 0)
    assert 0 < kept < SIZE
    keep_picture(page, "files-unfinished")
    sent: list[int] = []
    page.on("request", lambda one: sent.append(int(one.headers.get("upload-offset", -1))))
    page.locator("#pick-files").set_input_files(path)
    expect(row).to_contain_text("모두 올렸습니다", timeout=60_000)
    assert min(offset for offset in sent if offset >= 0) >= kept
    row.get_by_role("link", name="열기").click()
    expect(page.locator(".fm-headline")).to_contain_text("큰 데이터.bin")


def test_preview_when_the_file_is_a_script_then_text_in_a_sandbox(make_page: MakePage, tmp_path: Path) -> None:
    page = make_page(390, 844)
    log_in(page)
    path = tmp_path / "x.html"
    path.write_text("<script>parent.isOwned = true</script><h1>안녕</h1>")
    open_file(page, path)
    frame = page.frame_locator("iframe")
    expect(frame.locator("body")).to_contain_text("<script>parent.isOwned = true</script>")
    assert not page.evaluate("window.isOwned")
    keep_picture(page, "files-preview-phone")


def open_file(page: Page, path: Path) -> None:
    page.goto(UPLOAD)
    page.locator("#pick-files").set_input_files(path)
    page.get_by_role("link", name="열기").click()
    expect(page).to_have_url(re.compile("/change/"))


PROGRAM = """<script>document.title = "owned"; parent.isOwned = top.isOwned = true;
fetch("/api/v1/me?stolen=" + document.cookie)</script>"""
PROGRAMS = {
    "x.html": f"<!DOCTYPE html><html><body><h1>안녕</h1>{PROGRAM}</body></html>",
    "x.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="top.isOwned = true">{PROGRAM}</svg>',
    "x.xml": '<?xml-stylesheet href="/files/x.svg" type="text/xsl"?><html xmlns="http://www.w3.org/1999/xhtml">'
    f"{PROGRAM}</html>",
    "x.pdf": "%PDF-1.7 1 0 obj << /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>",
}


def test_shelf_when_files_are_programs_then_none_of_them_runs(make_page: MakePage, tmp_path: Path) -> None:
    page = make_page(1440, 900)
    log_in(page)
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    page.goto("/files_html")
    page.locator("#pick-files").set_input_files([tmp_path / name for name in PROGRAMS])
    expect(page.locator(".sh-uploads .sh-done")).to_have_count(len(PROGRAMS))
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    for name in ("x.html", "x.svg", "x.xml"):
        page.goto(f"/files/{name}")
        assert "isOwned" in page.content()
        page.goto(f"/files_html?file={name}")
        expect(page.frame_locator("iframe").locator("body")).to_contain_text("top.isOwned = true")
        page.wait_for_timeout(200)
        assert not page.evaluate("window.isOwned || document.title === 'owned'")
    with page.expect_download():
        page.evaluate("location.assign('/files/x.pdf')")
    page.goto("/files_html?file=x.pdf")
    expect(page.locator("iframe, embed, object")).to_have_count(0)
    assert [url for url in asked if "/api/" in url] == []


def test_shelf_when_a_picture_is_dropped_on_a_phone_then_seen_in_the_folder(make_page: MakePage) -> None:
    page = make_page(390, 844)
    log_in(page)
    page.goto("/files_html?folder=사진첩")
    page.locator("#pick-files").set_input_files(ROOT / "demo" / "files" / "따뜻한 밥.png")
    expect(page.locator(".sh-uploads .sh-done")).to_be_visible()
    expect(page.locator(".sh-thumb img")).to_be_visible()  # drawn by a job behind walls
    keep_picture(page, "shelf-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".sh-card").click()
    page.wait_for_function("() => document.querySelector('.sh-stage img')?.naturalWidth == 960")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("folder="))
