"""Every page of the back office, as every role: who may open it, how many queries it takes, what it never shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.admin.making import log_in, make_rows

ROLES = ("administrator", "operator", "reviewer", "auditor", "client")
SEEN, REFUSED, ELSEWHERE = 200, 403, 302
# (model, page) -> the answer to each role, in the order of ROLES. A client application is sent to the log-in page.
EVERYBODY = (SEEN, SEEN, SEEN, SEEN, ELSEWHERE)
NOBODY = (REFUSED, REFUSED, REFUSED, REFUSED, ELSEWHERE)
OPERATORS = (SEEN, SEEN, REFUSED, REFUSED, ELSEWHERE)
ADMINISTRATORS = (SEEN, REFUSED, REFUSED, REFUSED, ELSEWHERE)
WATCHED = (SEEN, SEEN, REFUSED, SEEN, ELSEWHERE)
CONTROLLERS = (SEEN, REFUSED, REFUSED, SEEN, ELSEWHERE)
PAGES: dict[str, dict[str, tuple[int, ...]]] = {
    "accounts.User": {"list": CONTROLLERS, "add": ADMINISTRATORS, "change": CONTROLLERS},
    # Own keys and sessions only: those of somebody else do not exist for them, and they are led back.
    "accounts.ApiKey": {"list": EVERYBODY, "add": EVERYBODY, "change": (SEEN, 302, 302, 302, ELSEWHERE)},
    "accounts.Session": {"list": EVERYBODY, "add": NOBODY, "change": (SEEN, 302, 302, 302, ELSEWHERE)},
    "accounts.SigningKey": {"list": CONTROLLERS, "add": NOBODY, "change": CONTROLLERS},
    "audit.AuditEvent": {"list": CONTROLLERS, "add": NOBODY, "change": CONTROLLERS},
    "audit.AuditPerson": {"list": CONTROLLERS, "add": NOBODY, "change": CONTROLLERS},
    "datasets.Dataset": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "datasets.DatasetVersion": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "datasets.PreprocessingJob": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "datasets.Recipe": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "feedback.Feedback": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    # Own files only, but for administrators.
    "files.StoredFile": {
        "list": (SEEN, SEEN, REFUSED, SEEN, ELSEWHERE),
        "add": NOBODY,
        "change": (SEEN, 302, REFUSED, 302, ELSEWHERE),
    },
    "files.Quota": {"list": ADMINISTRATORS, "add": ADMINISTRATORS, "change": ADMINISTRATORS},
    "feedback.ReviewQueue": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "feedback.ReviewItem": {"list": WATCHED, "add": NOBODY, "change": WATCHED},
    "feedback.GoldenAnswer": {"list": WATCHED, "add": NOBODY, "change": WATCHED},
    "inference.AsynchronousPrediction": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "inference.BatchRun": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "inference.Deployment": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "inference.InferenceRequest": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "jobs.Job": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "jobs.Schedule": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "inference.VersionSettings": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "inference.RemoteServer": {"list": WATCHED, "add": ADMINISTRATORS, "change": WATCHED},
    "notify.Channel": {"list": WATCHED, "add": ADMINISTRATORS, "change": WATCHED},
    "notify.Webhook": {"list": WATCHED, "add": ADMINISTRATORS, "change": WATCHED},
    "notify.Delivery": {"list": WATCHED, "add": NOBODY, "change": WATCHED},
    "registry.AliasRule": {"list": EVERYBODY, "add": ADMINISTRATORS, "change": EVERYBODY},
    "registry.ApprovalRequest": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "registry.RegisteredModel": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
    "registry.Evaluation": {"list": EVERYBODY, "add": OPERATORS, "change": EVERYBODY},
    "registry.GatePolicy": {"list": EVERYBODY, "add": ADMINISTRATORS, "change": EVERYBODY},
    "registry.ModelVersion": {"list": EVERYBODY, "add": NOBODY, "change": EVERYBODY},
}
SHOWN = re.compile(r"<(script|style|pre|template)\b.*?</\1>|<[^>]*>", re.DOTALL)


def addresses(model: type) -> dict[str, str]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.order_by("pk").first()
    change = reverse(f"{name}_change", args=[row.pk])
    return {"list": reverse(f"{name}_changelist"), "add": reverse(f"{name}_add"), "change": change}


def registered() -> Iterator[type]:
    yield from sorted(admin.site._registry, key=lambda model: model._meta.label)


def visible_text(html: str) -> str:
    return SHOWN.sub(" ", html.replace("&quot;", '"').replace("&#x27;", "'"))


def test_pages_when_a_model_is_registered_are_in_the_table() -> None:
    assert {model._meta.label for model in registered()} == set(PAGES)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_pages_when_opened_by_a_role_answer_as_the_table_says(role: str) -> None:
    make_rows(2)
    client = log_in(role)
    wanted, found = {}, {}
    for model in registered():
        for page, url in addresses(model).items():
            wanted[url] = PAGES[model._meta.label][page][ROLES.index(role)]
            found[url] = client.get(url).status_code
    assert found == wanted


@pytest.mark.django_db
def test_forms_when_they_have_fields_of_their_own_show_each_as_a_box() -> None:
    client = log_in("administrator")
    for model in registered():
        if PAGES[model._meta.label]["add"][ROLES.index("administrator")] == 200:
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            boxes = re.findall(r"<(?:input|select|textarea)\b[^>]*>", client.get(url).content.decode())
            plain = [one for one in boxes if not re.search(r'class=|type="(?:hidden|checkbox|radio|submit)"', one)]
            assert not plain, (url, plain)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["ko", "en"])
def test_pages_when_opened_show_no_raw_json_and_no_template_left_over(language: str) -> None:
    make_rows(3)
    client = log_in("administrator", language=language)
    urls = [url for model in registered() for page, url in addresses(model).items() if page != "add"]
    for url in [*urls, reverse("admin:index"), reverse("admin:accounts_user_me"), reverse("admin:accounts_apikey_add")]:
        response = client.get(url)
        text = visible_text(response.content.decode())
        assert not re.search(r"""\{['"]|['"]\}|\{%|\{\{""", text), url
        assert f'lang="{language}"' in response.content.decode(), url


@pytest.mark.django_db
def test_lists_when_there_are_more_rows_take_no_more_queries() -> None:
    client = log_in("administrator")
    urls = [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in registered()]
    urls.append(reverse("admin:index"))
    make_rows(2)
    few = {url: queries(client, url) for url in urls}
    make_rows(20, "more")
    many = {url: queries(client, url) for url in urls}
    assert many == few
    assert few.pop(reverse("admin:index")) <= 20
    assert max(few.values()) <= 17, few


@pytest.mark.django_db
def test_home_when_nothing_is_there_names_the_first_step() -> None:
    text = log_in("administrator").get(reverse("admin:index")).content.decode()
    assert "Welcome. Nothing is served yet." in text
    assert "import_model PATH" in text


@pytest.mark.django_db
def test_home_when_asked_for_its_inside_gives_no_frame() -> None:
    make_rows(1)
    html = log_in("operator").get(reverse("admin:index") + "?live=1").content.decode()
    assert "<html" not in html
    assert "row-0" in html


@pytest.mark.django_db
def test_home_when_the_role_may_not_see_the_audit_shows_none() -> None:
    make_rows(1)
    html = log_in("operator").get(reverse("admin:index")).content.decode()
    assert "audit/auditevent" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin", "/"])
def test_admin_when_the_slash_is_forgotten_is_found(path: str) -> None:
    assert Client().get(path).headers["Location"] == "/admin/"


@pytest.mark.django_db
def test_pages_that_make_a_row_have_the_title_of_the_button_that_leads_there() -> None:
    client, said = log_in("administrator", language="ko"), {}
    for model in registered():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        page = client.get(reverse(f"{name}_changelist")).content.decode()
        if button := re.search(r'<a class="fm-button[^"]*" href="([^"?]*/add/)"[^>]*>([^<]+)<', page):
            opened = client.get(button[1], follow=True).content.decode()
            said[name] = button[2].strip(), re.search(r'<h2 class="fm-headline">([^<]*)<', opened)[1].strip()
    assert len(said) > 5
    assert {name: words for name, words in said.items() if words[0] != words[1]} == {}


@pytest.mark.django_db
def test_history_when_asked_for_is_the_audit_trail_of_the_row() -> None:
    make_rows(1)
    client = log_in("administrator")
    for model in registered():
        url = addresses(model)["change"].replace("/change/", "/history/")
        html = client.get(url, follow=True).content.decode()
        assert 'class="model-auditevent' in html or "app-audit" in html, url
    assert not LogEntry.objects.exists()


@pytest.mark.django_db
def test_page_when_the_role_may_not_see_it_says_who_can_help() -> None:
    response = log_in("reviewer", language="ko").get(reverse("admin:audit_auditevent_changelist"))
    assert response.status_code == 403
    assert "관리자가 사용자 메뉴에서 역할을 바꿔 줄 수 있습니다" in response.content.decode()
    assert response.headers["X-Request-ID"] in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "said"), [("ko", "처리할 수 없는 요청입니다"), ("en", "This request makes no sense here")]
)
def test_page_when_the_address_asks_for_what_it_may_not_says_so(language: str, said: str) -> None:
    address = f"{reverse('admin:accounts_user_changelist')}?password__startswith=a"
    response = log_in("administrator", language=language).get(address)
    assert (response.status_code, said in response.content.decode()) == (400, True)
    assert response.headers["X-Request-ID"] in response.content.decode()
    assert "password" not in response.content.decode()


@pytest.mark.django_db
def test_page_when_the_host_is_another_is_refused_on_the_same_page(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    response = Client(headers={"host": "elsewhere.example", "accept-language": "ko"}).get("/admin/login/")
    assert (response.status_code, "처리할 수 없는 요청입니다" in response.content.decode()) == (400, True)


@pytest.mark.django_db
def test_page_when_there_is_none_says_so_in_the_language_of_the_reader() -> None:
    response = log_in("reviewer", language="ko").get("/admin/nothing/")
    assert response.status_code == 404
    assert "이 주소에는 아무것도 없습니다" in response.content.decode()


@pytest.mark.django_db
def test_login_when_asked_for_is_branded_and_bilingual() -> None:
    for language, word in (("ko", "로그인"), ("en", "Log in")):
        html = Client(headers={"accept-language": language}).get(reverse("admin:login")).content.decode()
        assert word in html
        assert "한국어" in html


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
