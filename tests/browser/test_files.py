"""Files in a browser: a large upload that is paused, left, and gone on with after the page is loaded anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.person import MakePage, keep_picture, log_in

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
