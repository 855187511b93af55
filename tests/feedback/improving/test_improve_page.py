"""The page, REST and the command: the same facts, as far as each reader may see them, in queries that do not grow."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.onlooker import Onlooker
from feedback.improving.shown import improvement_of
from feedback.models import ReviewItem, ReviewQueue
from inference.services import deploy
from registry.models import ModelVersion
from tests.accounts.making import make_client, make_key, make_user
from tests.feedback.improving.test_round import LABELS, into, review_all, wrong_answers
from tests.feedback.reviewers import make_queue
from tests.feedback.saying import make_call, say
from tests.feedback.screens.making import browser
from tests.inference.evaluating.making import beside, evaluate, make_model_version, make_rows

pytestmark = pytest.mark.django_db(transaction=True)
HREF = re.compile(r'href="(/admin/[^"]+)"')


def make_loop(count: int = 3) -> tuple[ModelVersion, ReviewQueue]:
    """Give a live version with wrong answers, of which one is disputed and one is in no queue, and a newer version."""
    operator = make_user("operator")
    live = make_model_version()
    deploy(name="intent", version=live, actor=operator)
    queue = make_queue("의도", operator, deployment="intent", choices=LABELS)
    more_rows(live, queue, count)
    tried = make_model_version()
    exam, right = make_rows(60, dataset="시험")
    beside(evaluate(tried, exam, right, 0.9, seed=2), evaluate(live, exam, right, 0.5))
    return live, queue


def more_rows(live: ModelVersion, queue: ReviewQueue, count: int) -> None:
    into(queue, wrong_answers(live, count), queue.owner)
    review_all(queue, count)
    wrong_answers(live, 1)
    say(make_call(live), thumb=1)


def page(person: Any, name: str = "intent", language: str = "en") -> Any:
    return browser(person, language).get(reverse("admin:feedback_feedback_improve", args=[name]))


def figures(found: Any) -> dict[str, Any]:
    return {f"{step['name']}.{one['name']}": one["value"] for step in found["steps"] for one in step["figures"]}


def test_page_when_opened_then_every_figure_leads_to_as_many_rows() -> None:
    make_loop()
    client = browser(make_user("operator"))
    found = make_client(make_user("operator")).get("/api/v1/models/intent/improvement").json()
    known = figures(found)
    assert known == {
        "answers.calls": 5, "answers.judged": 5, "answers.wrong": 4, "answers.corrected": 0, "queue.open": 1,
        "review.waiting": 0, "review.disputed": 1, "review.agreed": 2, "review.settled": 0, "data.fresh": 2,
        "evaluate.before": None, "evaluate.after": None,
    }  # fmt: skip
    rows = {"answers": '<li class="fb-line', "queue": '<li class="fb-line', "review": "rv-words", "data": "rv-words"}
    for step in found["steps"]:
        for one in step["figures"]:
            shown = client.get(one["url"])
            assert shown.status_code == 200, one
            if step["name"] in rows and one["name"] != "calls":
                assert shown.content.decode().count(rows[step["name"]]) == one["value"], one


def test_page_when_opened_by_a_role_then_its_button_is_theirs_or_names_who_has_the_right() -> None:
    make_loop()
    allowed = {}
    for role in ("administrator", "operator", "reviewer", "auditor"):
        html = page(make_user(role)).content.decode()
        assert "may begin to serve" in html
        allowed[role] = "disabled>Start the canary" not in html
        assert ("Can be done by: administrator, operator" in html) != allowed[role]
    assert allowed == {"administrator": True, "operator": True, "reviewer": False, "auditor": False}
    assert page(make_user("client")).status_code == 302


def test_page_when_a_link_of_it_is_followed_then_it_is_there() -> None:
    make_loop()
    client = browser(make_user("administrator"))
    html = client.get(reverse("admin:feedback_feedback_improve", args=["intent"])).content.decode()
    body = html[html.index("im-next") :]
    urls = {url.replace("&amp;", "&") for url in HREF.findall(body)}
    assert len(urls) > 10
    assert {url: client.get(url).status_code for url in urls} == dict.fromkeys(urls, 200)


def test_page_when_items_may_not_be_seen_then_their_counts_lead_nowhere() -> None:
    make_loop()
    html = page(make_user("reviewer")).content.decode()
    assert "feedback/reviewitem/" not in html
    assert "feedback/reviewitem/" in page(make_user("auditor")).content.decode()


def test_page_when_there_is_no_such_model_then_not_found_and_a_deleted_one_neither() -> None:
    live, _queue = make_loop()
    person = make_user("administrator")
    assert page(person, "nothing").status_code == 404
    type(live.model).objects.update(deleted_at=live.created_at)
    assert page(person).status_code == 404


def test_page_when_asked_for_its_inside_then_no_frame_and_nothing_kept() -> None:
    make_loop()
    response = browser(make_user("operator")).get(reverse("admin:feedback_feedback_improve_live", args=["intent"]))
    assert "<html" not in response.content.decode()
    assert "im-loop" in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]


def test_three_doors_when_asked_by_the_same_person_then_tell_the_same() -> None:
    live, _queue = make_loop()
    person = make_user("operator")
    found = make_client(person).get("/api/v1/models/intent/improvement", headers={"Accept-Language": "en"}).json()
    assert found == improvement_of(live.model, Onlooker(person))  # type: ignore[arg-type]
    html = page(person).content.decode()
    told = StringIO()
    call_command("show_improvement", "intent", user=person.username, stdout=told)
    for step in found["steps"]:
        assert step["words"].replace("'", "&#x27;") in html
        assert f"{step['title']}: {step['state_words']}. {step['words']}" in told.getvalue()
    assert told.getvalue().splitlines()[-1].startswith(found["headline"])
    assert found["next"]["action"]["url"] in told.getvalue().splitlines()[-1]


def test_command_when_there_is_no_model_or_user_then_says_so() -> None:
    make_loop()
    call_command("show_improvement", "intent", stdout=StringIO())
    for wrong in ({"model": "nothing"}, {"model": "intent", "user": "nobody"}):
        with pytest.raises(CommandError):
            call_command("show_improvement", wrong["model"], user=wrong.get("user", ""))


def test_rest_when_the_key_is_for_another_deployment_then_nothing_of_this_one_is_told() -> None:
    make_loop()
    _key, text = make_key(make_user("operator"), "read", allowed_models=["other"])
    found = Client(headers={"X-Api-Key": text}).get("/api/v1/models/intent/improvement").json()
    assert {step["state"] for step in found["steps"]} == {"hidden"}
    assert figures(found) == {}


def test_rest_when_a_right_is_missing_then_its_step_is_hidden_with_who_has_it() -> None:
    make_loop()
    person = make_user("operator")
    group = person.groups.get()
    for codename, step in (("view_feedback", "queue"), ("view_evaluation", "evaluate"), ("view_reviewqueue", "review")):
        kept = group.permissions.get(codename=codename)
        group.permissions.remove(kept)
        client, english = make_client(make_user("operator")), {"Accept-Language": "en"}
        found = client.get("/api/v1/models/intent/improvement", headers=english).json()
        own = next(one for one in found["steps"] if one["name"] == step)
        assert (own["state"], own["figures"], own["links"], own["action"]) == ("hidden", [], [], None)
        assert "administrator" in own["words"]
        group.permissions.add(kept)


def test_facts_when_there_are_more_rows_then_no_more_queries_and_nothing_is_written() -> None:
    live, queue = make_loop()
    reader = Onlooker(make_user("operator"))
    few = told_queries(live, reader)
    for _again in range(3):
        more_rows(live, queue, 6)
        make_queue(f"또 {_again}", queue.owner, deployment="intent", choices=LABELS)
        make_model_version()
    make_queue("다른 곳", queue.owner, deployment="other", choices=LABELS)
    many = told_queries(live, reader)
    assert ReviewItem.objects.count() > 20
    assert len(many) <= len(few)
    assert len(few) <= 40
    assert [sql for sql in many if not sql.lstrip("( ").upper().startswith("SELECT")] == []


def told_queries(live: ModelVersion, reader: Onlooker) -> list[str]:
    reader.user.get_all_permissions()
    with CaptureQueriesContext(connection) as captured:
        improvement_of(live.model, reader)  # type: ignore[arg-type]
    return [query["sql"] for query in captured]


def test_links_when_a_model_is_served_then_its_pages_lead_here() -> None:
    live, queue = make_loop()
    client = browser(make_user("operator"))
    own = reverse("admin:feedback_feedback_improve", args=["intent"])
    deployment = live.routes.get().deployment
    for name, key in (
        ("registry_registeredmodel", live.model_id),
        ("registry_modelversion", live.pk),
        ("feedback_reviewqueue", queue.pk),
        ("inference_deployment", deployment.pk),
    ):
        assert f'href="{own}"' in client.get(reverse(f"admin:{name}_change", args=[key])).content.decode(), name


@pytest.mark.parametrize(
    "since", ["any", "2026-13-99T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_items_when_asked_for_since_no_moment_then_all_that_are_decided(since: str) -> None:
    _live, queue = make_loop()
    query = {"queue": queue.pk, "decided": since}
    html = browser(make_user("operator")).get(reverse("admin:feedback_reviewitem_changelist"), query)
    assert html.content.decode().count("rv-words") == 2


def test_queue_form_when_led_to_from_here_then_it_is_filled() -> None:
    make_loop()
    query = "?deployment=intent&name=intent&rule=thumbs_down"
    html = browser(make_user("operator")).get(reverse("admin:feedback_reviewqueue_add") + query).content.decode()
    assert '<option value="intent" selected>' in html
    assert 'name="name" value="intent"' in html
    assert len(re.findall(r'type="checkbox" name="rule-\d+" value="1" checked', html)) == 1
    assert "인사" in html
