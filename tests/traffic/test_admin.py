"""The traffic of a deployment on its page: who gets what, what is said of it, and each verb."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AuditEvent
from inference import services
from inference.models import Deployment, Route
from tests.inference.log_rows import make_request
from tests.inference.test_admin_requests import make_browser, page_of, read
from tests.traffic.making import (
    count_canary,
    count_shadow,
    make_deployment,
    make_shadow_result,
    make_version,
    start_canary,
    start_shadow,
    weights,
)

pytestmark = pytest.mark.django_db


def home(deployment: Deployment) -> str:
    return reverse("admin:inference_deployment_change", args=[deployment.pk])


def live(deployment: Deployment) -> str:
    return reverse("admin:inference_deployment_live", args=[deployment.pk])


def verb(deployment: Deployment, name: str, query: str = "") -> str:
    return reverse("admin:inference_deployment_do", args=[deployment.pk, name]) + query


def do(client: Client, deployment: Deployment, name: str, **fields: Any) -> Any:
    seen = deployment.revisions.count()
    return client.post(verb(deployment, name), {"reason": "why", "revision": seen, **fields})


def route_key(deployment: Deployment, number: int) -> int:
    return deployment.routes.get(version__number=number).pk


def test_page_with_canary_and_shadow_says_who_gets_what_and_how_they_do() -> None:
    deployment = make_deployment()
    count_canary(start_canary(deployment, make_version(2)), canary=412, live=9000, errors=1)
    count_shadow(start_shadow(deployment, make_version(3)), same=970, other=30, failed=2)
    kept = make_shadow_result(version=3)
    page = read(make_browser(), home(deployment))
    assert "intent v1 is live, v2 gets 5 % as canary, v3 shadows 20 %, healthy" in page
    assert "v2 answered 412 calls; errors 0.24\u00a0% against 0\u00a0%" in page
    assert "no sign of harm; 88 more calls until it can be judged." in page
    assert "1,000 copies answered, the same label in 97\u00a0%" in page
    assert str(kept.request_id) in page
    assert page.count("/do/promote/?route=") == 2


def test_page_with_a_canary_that_did_harm_says_why_it_was_stopped() -> None:
    deployment = make_deployment()
    canary = start_canary(deployment, make_version(2))
    reason = {"code": "errors", "at_least": 0.043, "live_at_most": 0.004, "limit": 0.01}
    services.stop_canary(route=canary, data={"reason": reason})
    page = read(make_browser(), home(deployment))
    assert "canary intent v2 stopped by itself" in page
    assert "at least 4.3\u00a0% of its calls fail" in page
    assert "by canary guard" not in page
    assert "stopped by itself" in read(make_browser("auditor"), live(deployment))


def test_page_with_a_canary_that_could_not_be_loaded_says_why() -> None:
    deployment, broken = make_deployment(), make_version(2, runner="failed")
    start_canary(deployment, broken)
    services.note_failure(version=broken, error="weights.bin: is a pickle")
    browser = make_browser()
    for address in (live(deployment), home(deployment)):
        said = read(browser, address)
        assert "is a pickle" in said
        assert "not_loaded" not in said


def test_page_with_a_version_that_failed_says_why_and_who_answers() -> None:
    deployment = make_deployment()
    services.deploy(name="intent", version=make_version(2, runner="failed", error="bad <b>weights"), actor=None)
    page = read(make_browser(), home(deployment))
    assert "intent v2 could not be loaded, intent v1 still answers" in page
    assert "intent v1 answers its calls." in page
    assert "bad &lt;b&gt;weights" in page


def test_page_with_several_live_versions_names_the_share_of_each() -> None:
    deployment, second = make_deployment(), make_version(2)
    first = deployment.routes.get().version
    services.set_weights(deployment=deployment, weights={first.pk: 60, second.pk: 40}, actor=None)
    assert "intent v1 (60 %) + v2 (40 %) is live" in read(make_browser(), home(deployment))


def test_history_tells_who_and_why_and_leads_back() -> None:
    deployment, browser = make_deployment(), make_browser()
    version = make_version(2)
    answer = do(browser, deployment, "start-canary", version=version.pk, weight=5, guard="usual", grows="yes")
    assert answer.status_code == 302, answer.content.decode()
    route = deployment.routes.get(kind=Route.Kind.CANARY)
    assert (route.guard or {})["steps"] == [25, 50, 100]
    page = read(browser, home(deployment))
    assert "canary intent v2 started" in page
    assert f"{verb(deployment, 'rollback')}?to=1" in page
    assert AuditEvent.objects.get(action="inference.canary_started").reason == "why"
    assert "#1 · intent v1 100 %" in read(browser, verb(deployment, "rollback", "?to=1"))
    assert do(browser, deployment, "rollback", to=1).status_code == 302
    assert weights(deployment) == {(1, "live"): 100}


def test_verbs_move_the_calls_through_the_services() -> None:
    deployment, browser = make_deployment(), make_browser()
    second, third = make_version(2), make_version(3)
    do(browser, deployment, "start-canary", version=second.pk, weight=5, guard="early", grows="")
    do(browser, deployment, "start-shadow", version=third.pk, share_percent=30)
    assert weights(deployment) == {(1, "live"): 95, (2, "canary"): 5, (3, "shadow"): 30}
    do(browser, deployment, "end", route=route_key(deployment, 3))
    first = deployment.routes.get(version__number=1).version
    page = read(browser, verb(deployment, "set-weights"))
    assert f'name="weights_{first.pk.hex}"' in page
    shares = {f"weights_{first.pk.hex}": 70, f"weights_{second.pk.hex}": 30}
    assert do(browser, deployment, "set-weights", **shares).status_code == 302
    assert weights(deployment) == {(1, "live"): 70, (2, "canary"): 30}
    page = read(browser, verb(deployment, "promote", f"?route={route_key(deployment, 2)}"))
    assert "<del" in page
    do(browser, deployment, "promote", route=route_key(deployment, 2))
    assert weights(deployment) == {(2, "live"): 100}


@pytest.mark.parametrize("shares", [(70, 20), (101, -1), ("all", ""), (50, "50.5")])
def test_shares_that_do_not_add_up_are_refused_and_stay_as_typed(shares: tuple[Any, Any]) -> None:
    deployment, second = make_deployment(), make_version(2)
    start_canary(deployment, second)
    first = deployment.routes.get(kind=Route.Kind.LIVE).version
    fields = dict(zip((f"weights_{first.pk.hex}", f"weights_{second.pk.hex}"), shares, strict=True))
    answer = do(make_browser(), deployment, "set-weights", **fields)
    assert answer.status_code == 200
    assert f'value="{shares[0]}"' in answer.content.decode()
    assert weights(deployment)[2, "canary"] == 5


def test_verb_when_somebody_else_was_faster_is_refused_in_the_form() -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version(2))
    answer = do(make_browser(), deployment, "promote", route=route_key(deployment, 2), revision=1)
    assert answer.status_code == 200
    assert "changed meanwhile" in answer.content.decode()
    assert weights(deployment)[2, "canary"] == 5


def test_deploying_when_somebody_else_was_faster_is_refused_in_the_form() -> None:
    deployment, second, browser = make_deployment(), make_version(2), make_browser()
    (seen,) = re.findall(r'name="revision" value="(\d+)"', read(browser, verb(deployment, "deploy")))
    start_canary(deployment, make_version(3))
    answer = do(browser, deployment, "deploy", version=second.pk, revision=seen)
    assert answer.status_code == 200
    assert "changed meanwhile" in answer.content.decode()
    assert weights(deployment) == {(1, "live"): 95, (3, "canary"): 5}
    (now,) = re.findall(r'name="revision" value="(\d+)"', answer.content.decode())
    services.note_failure(version=deployment.routes.get(kind="live").version, error="no file")
    assert do(browser, deployment, "deploy", version=second.pk, revision=now).status_code == 302
    assert weights(deployment) == {(2, "live"): 100}


def test_new_deployment_when_its_name_is_there_leads_to_its_page_and_is_refused() -> None:
    deployment, second, browser = make_deployment(), make_version(2), make_browser()
    add = reverse("admin:inference_deployment_add")
    led = browser.get(add, {"name": deployment.name, "version": second.pk})
    assert led["Location"] == f"{verb(deployment, 'deploy')}?version={second.pk}"
    assert f'value="{second.pk}" selected' in read(browser, led["Location"])
    assert "is there already" in browser.post(add, {"name": deployment.name, "version": second.pk}).content.decode()
    assert weights(deployment) == {(1, "live"): 100}


def test_description_when_written_is_shown_and_in_the_audit() -> None:
    deployment, browser = make_deployment(), make_browser()
    assert do(browser, deployment, "describe", description="상담 <b>첫</b> 화면").status_code == 302
    page = read(browser, reverse("admin:inference_deployment_change", args=[deployment.pk]))
    assert "상담 &lt;b&gt;첫&lt;/b&gt; 화면" in page
    event = AuditEvent.objects.get(action="inference.deployment_described")
    assert event.after == {"description": "상담 <b>첫</b> 화면"}


def test_verb_with_a_route_of_another_deployment_is_refused() -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version(2))
    other = services.deploy(name="other", version=make_version(1, name="other"), actor=None)
    answer = do(make_browser(), deployment, "end", route=other.routes.get().pk)
    assert answer.status_code == 200
    assert other.routes.count() == 1


@pytest.mark.parametrize("name", ["start-canary", "start-shadow", "set-weights", "promote", "end", "rollback"])
def test_verbs_by_a_role_that_may_not_are_refused_and_not_shown(name: str) -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version(2))
    browser = make_browser("reviewer")
    assert browser.get(verb(deployment, name)).status_code == 403
    assert do(browser, deployment, name).status_code == 403
    assert f"/do/{name}/" not in read(browser, home(deployment))


def test_live_part_with_more_calls_and_changes_takes_no_more_queries() -> None:
    deployment, browser = make_deployment(), make_browser()
    counts: list[int] = []
    count_canary(start_canary(deployment, make_version(2)), canary=5, live=5)
    count_shadow(start_shadow(deployment, make_version(3)), same=3, other=1)
    for _ in range(2):
        for _ in range(5):
            make_request(version_id=deployment.routes.get(kind="live").version_id)
        services.start_shadow(
            deployment=deployment,
            version=deployment.routes.get(kind="shadow").version,
            share_percent=20 + len(counts),
            actor=None,
        )
        with CaptureQueriesContext(connection) as queries:
            read(browser, live(deployment))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 15


def test_request_page_shows_what_a_shadow_answered_to_those_who_may_see_it() -> None:
    start_shadow(make_deployment(), make_version(2))
    request = make_request()
    make_shadow_result(request_id=request.pk, by_output={"label": {"differing": 1.0}})
    page = read(make_browser(), page_of(request))
    assert "What the shadow intent v2 answered" in page
    assert "another label, scores 0.3 apart" in page
    assert "환불" in page


def test_request_page_with_a_shadow_that_failed_says_why() -> None:
    make_deployment()
    request = make_request()
    make_shadow_result(request_id=request.pk, difference=None, outputs="", error_code="x", error="it <i>fell</i> over")
    page = read(make_browser(), page_of(request))
    assert "it &lt;i&gt;fell&lt;/i&gt; over" in page


@pytest.mark.parametrize("language", ["ko", "en"])
def test_pages_of_the_verbs_open_in_both_languages(language: str) -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version(2))
    make_version(3)
    browser = make_browser(language=language)
    for name in ("start-shadow", "set-weights", "promote", "end", "rollback"):
        assert f'lang="{language}"' in read(browser, verb(deployment, name))
