"""Pages on a phone: nothing is wider than the screen, however long the names are."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.browser.person import MakePage, keep_picture, log_in
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
    assert wait_until(lambda: call(site, key, "안녕") == 200, 30), "the model is not served"
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
    pages = {
        "home": "/admin/",
        "models": models,
        "model": first_link(page, models, "#result_list a[href$='/change/'], [data-rows] a[href$='/change/']"),
        "upload": f"{models}upload/",
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
