"""Pages on a phone: nothing is wider than the screen, however long the names are; what moves is moved by keys."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.person import PASSWORD, MakePage, keep_picture, log_in
from tests.house.installation import wait_until
from tests.runner.making import make_text_folder
from tests.site import Site

WIDTH, HEIGHT = 390, 844
MODEL = "배달-주문-의도-분류-" + "가" * 40
DEPLOYMENT = "deployment_without_any_place_to_break_" + "x" * 40
WIDER = """() => [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(one).position !== "fixed")
    .filter((one) => !one.closest("[class*=scroll], [class*=overflow]"))
    .map((one) => `${one.tagName}.${one.className}`.slice(0, 80)).slice(0, 5)"""


@pytest.fixture(scope="module")
def used_site(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give an installation with a model that serves, under long names, and two calls."""
    folder = make_text_folder(tmp_path_factory.mktemp("model") / "words")
    (folder / f"{'long_name_of_a_file_' * 10}.txt").write_text("x", encoding="utf-8")
    site.manage("import_model", str(folder), "--name", MODEL)
    site.manage("import_model", str(folder), "--name", DEPLOYMENT, "--deploy")
    key = site.manage("create_api_key", "phone", "--user", "손준", "--scopes", "predict").splitlines()[-1]
    assert wait_until(lambda: call(site, key, "안녕") == 200, 90), "the model is not served"
    assert call(site, key, "word" * 500) == 200
    assert call(site, key, "가" * 9000) == 400
    return site


def call(site: Site, key: str, text: str) -> int:
    """Call the model and give the status."""
    address = f"http://127.0.0.1:{site.installation.port}/api/v1/deployments/{quote(DEPLOYMENT)}/predict"
    body = json.dumps({"inputs": {"text": [text]}}).encode()
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def first_link(page: Page, listing: str, holder: str) -> str:
    """Give the address of the first row of a list."""
    page.goto(listing)
    address = page.locator(holder).first.get_attribute("href")
    assert address
    return address


def test_pages_when_on_a_phone_are_no_wider_than_the_screen(used_site: Site, make_page: MakePage) -> None:
    page = make_page(WIDTH, HEIGHT)
    log_in(page)
    models, requests = "/admin/registry/registeredmodel/", "/admin/inference/inferencerequest/"
    versions, deployments = "/admin/registry/modelversion/", "/admin/inference/deployment/"
    deployment = first_link(page, deployments, f"a[href*='{deployments}'][href$='/change/']")
    model = first_link(page, models, "#result_list a[href$='/change/'], [data-rows] a[href$='/change/']")
    pages = {
        "home": "/admin/",
        "models": models,
        "model": model,
        "upload": f"{models}upload/",
        "deleted-models": f"{models}deleted/",
        "card": model.replace("change", "card"),
        "versions": versions,
        "version": first_link(page, versions, "#result_list a[href$='/change/']"),
        "deployments": deployments,
        "deployment": deployment,
        "deploy": deployment.replace("change", "do/deploy"),
        "try": deployment.replace("change", "try"),
        "requests": requests,
        "request": first_link(page, requests, ".sv-log-row"),
        "audit": "/admin/audit/auditevent/",
        "audit-event": first_link(page, "/admin/audit/auditevent/", "#result_list a[href$='/change/']"),
        "jobs": "/admin/jobs/job/",
        "keys": "/admin/accounts/apikey/",
        "users": "/admin/accounts/user/",
    }
    wide = {}
    for name, address in pages.items():
        page.goto(address)
        keep_picture(page, f"phone-{name}")
        width = page.evaluate("document.scrollingElement.scrollWidth")
        if width > WIDTH:
            wide[name] = (width, page.evaluate(WIDER))
    assert wide == {}


def add_second(site: Site, tmp_path: Path) -> None:
    """Bring in a second version, unless another test of this run has."""
    folder = make_text_folder(tmp_path / "words")
    (folder / "notes.txt").write_text("another version", encoding="utf-8")
    site.manage("import_model", str(folder), "--name", DEPLOYMENT)


def test_shares_when_moved_by_keys_add_up_and_live_figures_keep_the_focus(
    used_site: Site, make_page: MakePage, tmp_path: Path
) -> None:
    add_second(used_site, tmp_path)
    used_site.manage("start_canary", DEPLOYMENT, "2", "--weight", "5")
    page = make_page(WIDTH, HEIGHT)
    log_in(page)
    deployment = first_link(page, "/admin/inference/deployment/", "a[href$='/change/']")
    page.goto(deployment.replace("change", "do/set-weights"))
    keep_picture(page, "phone-shares")
    slider = page.get_by_label(f"{DEPLOYMENT} v2 비율")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.locator("input[type=number]").evaluate_all("all => all.map((one) => one.value)") == ["90", "10"]
    expect(page.locator("[data-shares-sum]")).to_contain_text("5 %")
    page.get_by_label("사유").fill("손으로 늘림")
    page.get_by_role("button", name="비율 바꾸기").click()
    expect(page.locator(".tr-bar").first).to_have_attribute("aria-label", re.compile("90 %.*10 %"))
    end = page.get_by_role("link", name="종료")
    end.focus()
    with page.expect_response(lambda got: got.url.endswith("/live/")):
        end.evaluate("one => { one.bearsAMark = true }")
    page.wait_for_timeout(200)
    assert end.evaluate("one => one === document.activeElement && one.bearsAMark") is True


def test_versions_when_two_are_ticked_are_shown_beside_each_other(
    used_site: Site, make_page: MakePage, tmp_path: Path
) -> None:
    add_second(used_site, tmp_path)
    page = make_page(WIDTH, HEIGHT)
    log_in(page)
    page.goto("/admin/registry/registeredmodel/")
    page.get_by_role("link", name=DEPLOYMENT).first.click()
    for number in (1, 2):
        page.get_by_label(f"v{number} 비교").check()
    page.get_by_role("button", name="선택한 둘 비교").click()
    expect(page).to_have_url(re.compile(r"/compare/\?a=1&b=2$"))
    expect(page.get_by_text("notes.txt")).to_be_visible()
    expect(page.get_by_text("v2에만 있음")).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= WIDTH, page.evaluate(WIDER)
    keep_picture(page, "phone-compare")


def test_protected_alias_when_one_asks_and_another_agrees_is_moved_and_rolled_back(
    used_site: Site, make_page: MakePage, tmp_path: Path
) -> None:
    add_second(used_site, tmp_path)
    used_site.manage("create_user", "지우", "--role", "operator", "--password-stdin", typed=PASSWORD)
    used_site.manage("protect_alias", "champion", "--role", "operator", "--role", "administrator", "--user", "손준")
    asking, agreeing = make_page(1440, 900), make_page(WIDTH, HEIGHT)
    log_in(asking, "지우")
    asking.goto("/admin/registry/registeredmodel/")
    asking.get_by_role("link", name=DEPLOYMENT).first.click()
    model = asking.url
    asking.get_by_role("link", name="옮기기(승인 필요)").click()
    asking.get_by_label("사유").fill("짧은 문장에서 더 정확함")
    asking.get_by_role("button", name="별칭 옮기기").click()
    expect(asking.get_by_label("왜 이 버전인가요?")).to_have_value("짧은 문장에서 더 정확함")
    asking.get_by_role("button", name="승인 요청하기").click()
    expect(asking.get_by_text("직접 요청하셨으므로 다른 사람이 결정합니다.")).to_be_visible()
    log_in(agreeing)
    agreeing.get_by_role("link", name=re.compile("champion")).first.click()
    keep_picture(agreeing, "phone-approval")
    assert agreeing.evaluate("document.scrollingElement.scrollWidth") <= WIDTH, agreeing.evaluate(WIDER)
    agreeing.get_by_label("의견").fill("확인했습니다")
    agreeing.get_by_role("button", name="승인하고 바로 실행").click()
    expect(agreeing.get_by_text("실행됨").first).to_be_visible()
    asking.goto(model)
    expect(asking.get_by_role("row", name=re.compile("champion.*v[12]")).first).to_be_visible()
    agreeing.goto(model.replace("change", "was-live"))
    keep_picture(agreeing, "phone-was-live")
    assert agreeing.evaluate("document.scrollingElement.scrollWidth") <= WIDTH, agreeing.evaluate(WIDER)
