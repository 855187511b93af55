import time

import polars as pl
import pytest
from django.urls import reverse
from django.utils import timezone

from common.markdown import markdown
from inference.services import deploy
from registry.models import ApprovalDecision, ApprovalRequest, Evaluation
from registry.services import delete_model, set_alias, update_model
from tests.accounts.making import make_client, make_user, patch
from tests.datasets.making import make_version as make_data
from tests.registry.make import make_ready, make_version
from tests.registry.pages import log_in

HOSTILE = "[x](javascript:alert(1)) <script>alert(1)</script> ![p](http://evil/p.png) | a | b |\n\n# 제목\n\n- **굵게**"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "![a](http://evil/pixel.png)",
        '<http://a"onmouseover=alert(1)>',
        "[a]: javascript:alert(1)\n\n[a]",
        "```html\n<script>alert(1)</script>\n```",
        "a\n\n<!-- <script> -->",
    ],
)
def test_markdown_when_hostile_then_nothing_of_it_is_markup(text):
    html = markdown(text).lower()
    for bad in ("<script", "<img", 'href="javascript', 'href="data', 'href="vbscript', 'href="file', " onmouseover="):
        assert bad not in html, html


def test_markdown_when_usual_then_headings_lists_links_and_tables():
    html = markdown("# 제목\n\n- 하나\n\n[a](https://example.com)\n\n| x | y |\n| - | - |\n| 1 | 2 |")
    for wanted in ("<h1>제목</h1>", "<li>하나</li>", '<a href="https://example.com">a</a>', "<td>1</td>"):
        assert wanted in html


def test_markdown_when_huge_then_cut_and_soon_done():
    begun = time.process_time()
    assert len(markdown("[" * 200_000)) < 200_000
    assert time.process_time() - begun < 10


def page_of(model):
    return reverse("admin:registry_registeredmodel_card", args=[model.pk])


def make_model(tmp_path):
    owner = make_user("administrator")
    parent = make_data(pl.DataFrame({"text": ["a"]}), dataset="원문")
    data = make_data(pl.DataFrame({"text": ["a"]}), parent=parent)
    version = make_ready(make_version(tmp_path, "의도", actor=owner, trained_on=[data], metrics={"f1": 0.9}))
    texts = {"description": HOSTILE, "intended_use": "상담 분류", "limits": "의료 금지", "licence": "Apache-2.0"}
    update_model(model=version.model, actor=owner, **texts)
    deploy(name="상담", version=version, actor=owner)
    set_alias(model=version.model, name="champion", version=version, actor=owner)
    report = {"slices": {"도시": [{"value": "서울", "rows": 7, "accuracy": 0.8}]}}
    Evaluation.objects.create(
        version=version, dataset_version=data, task="classification", metrics={"accuracy": 0.9, "odd": 3},
        report=report, rows=10, wrong_rows=1, finished_at=timezone.now(),
    )  # fmt: skip
    asked = ApprovalRequest.objects.create(
        version=version, alias="champion", state="used", asked_by_name="민지", expires_at=timezone.now()
    )
    ApprovalDecision.objects.create(request=asked, person_name="준호", verdict="approve", comment="좋아요")
    return version


@pytest.mark.django_db
def test_card_when_everything_is_known_then_it_is_all_there(tmp_path):
    version = make_model(tmp_path)
    card = make_client(make_user("reviewer")).get("/api/v1/models/의도/card").json()
    assert (card["name"], card["licence"], card["limits"]) == ("의도", "Apache-2.0", "의료 금지")
    about = card["version"]
    assert about["training_data"][0]["name"] == "문장:1"
    assert about["training_data"][0]["made_of"] == ["원문:1"]
    assert about["evaluations"][0]["metrics"] == {"accuracy": 0.9, "odd": 3}
    assert about["approvals"][0]["decisions"] == [{"by": "준호", "verdict": "approve", "comment": "좋아요"}]
    assert card["history"][0]["deployment"] == "상담"
    assert card["alias_history"][0]["alias"] == "champion"
    assert {file["path"] for file in about["files"]} == {"flueman.json", "model.safetensors"}
    page = log_in(language="ko").get(page_of(version.model)).content.decode()
    for wanted in ("상담 분류", "의료 금지", "Apache-2.0", "준호", "서울", "원문:1", version.digest, "@page"):
        assert wanted in page, wanted


@pytest.mark.django_db
def test_card_when_its_texts_are_hostile_then_the_page_and_the_file_are_not(tmp_path):
    version = make_model(tmp_path)
    client = log_in()
    for way in ("", "?as=html"):
        answer = client.get(page_of(version.model) + way)
        text = answer.content.decode()
        assert "<script" not in text
        assert 'javascript:alert(1)"' not in text
        assert "<img" not in text
    assert answer["Content-Disposition"].startswith("attachment; filename*=UTF-8''%EC%9D%98%EB%8F%84.html")
    assert "/admin/" not in text
    told = client.get(page_of(version.model) + "?as=markdown")
    assert told["Content-Type"] == "text/markdown; charset=utf-8"
    assert told["Content-Disposition"].startswith("attachment")
    assert "# 의도" in told.content.decode()


@pytest.mark.django_db
def test_card_when_asked_as_markdown_then_tables_of_what_is_known(tmp_path):
    make_model(tmp_path)
    answer = make_client(make_user("operator")).get("/api/v1/models/의도/card?as=markdown&version=1")
    text = answer.content.decode()
    assert "| 문장:1 | 1 | 원문:1 |" in text
    assert "상담 분류" in text
    assert "| --- |" in text


@pytest.mark.django_db
def test_card_when_little_is_known_then_it_says_so(tmp_path):
    version = make_version(tmp_path)
    client = log_in()
    text = client.get(page_of(version.model)).content.decode()
    assert "Nobody has described this model yet." in text
    assert "It has not been evaluated here." in text
    assert client.get(page_of(version.model) + "?version=9").status_code == 200
    assert client.get(page_of(version.model) + "?version=²").status_code == 200
    model = version.model
    delete_model(model=model, actor=None)
    assert client.get(page_of(model)).status_code == 404


@pytest.mark.django_db
def test_words_when_changed_then_kept_with_the_audit(tmp_path):
    version = make_version(tmp_path)
    client = make_client(make_user("operator"))
    told = patch(client, "models/numbers", {"intended_use": "a", "limits": "b", "licence": "MIT"}).json()
    assert (told["intended_use"], told["limits"], told["licence"]) == ("a", "b", "MIT")
    form = reverse("admin:registry_registeredmodel_do", args=[version.model_id, "describe"])
    staff = log_in("administrator")
    assert "MIT" in staff.get(form).content.decode()
    words = {"description": "d", "intended_use": "", "limits": "b", "licence": "MIT", "task": "tensor"}
    assert staff.post(form, words).status_code == 302
    version.model.refresh_from_db()
    assert (version.model.description, version.model.intended_use) == ("d", "")
