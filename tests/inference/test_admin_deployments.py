"""The Deployment and Deployments pages, and the verbs on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from inference.models import BatchRun, Deployment, MetricWindow, Route, RunnerState
from jobs.models import Job
from registry.models import ModelVersion, RegisteredModel
from registry.usage import find_usages, live_usages, next_steps
from tests.admin.making import make_rows
from tests.inference.log_rows import close_windows, make_request
from tests.inference.test_admin_requests import make_browser, read

pytestmark = pytest.mark.django_db
LIST = "/admin/inference/deployment/"
SIGNATURE = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
}


def make_version(name: str = "intent", number: int = 1, **more: Any) -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(name=name)
    fields = {"state": "ready", "format": "safetensors", "signature": SIGNATURE} | more
    return ModelVersion.objects.create(model=model, number=number, **fields)


def make_deployment(name: str = "intent", state: str = "ready", **more: Any) -> Deployment:
    version = make_version(name)
    deployment = Deployment.objects.create(name=name, **more)
    Route.objects.create(deployment=deployment, version=version)
    if state:
        RunnerState.objects.create(
            version=version, state=state, heartbeat_at=timezone.now(), error="" if state == "ready" else "why"
        )
    return deployment


def page_of(deployment: Deployment) -> str:
    return reverse("admin:inference_deployment_change", args=[deployment.pk])


def do(client: Client, deployment: Deployment, verb: str, **fields: Any) -> Any:
    return client.post(reverse("admin:inference_deployment_do", args=[deployment.pk, verb]), fields)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ready", "intent v1 is live, healthy, no calls in the last minutes"),
        ("starting", "intent v1 is loading"),
        ("failed", "intent v1 could not be loaded, nothing answers"),
        ("", "intent v1 is loading"),
    ],
)
def test_deployment_page_says_in_its_first_line_how_it_is(state: str, said: str) -> None:
    assert said in read(make_browser(), page_of(make_deployment(state=state)))


def test_deployment_page_with_calls_says_how_many_and_how_fast() -> None:
    deployment = make_deployment()
    for n in range(10):
        make_request(latency_ms=10.0 + n)
    assert "2 requests/min, p95 19 ms" in read(make_browser(), page_of(deployment))


def test_deployment_page_of_a_silent_host_says_so() -> None:
    deployment = make_deployment()
    RunnerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert "no sign of life" in read(make_browser(), page_of(deployment))


def test_deployment_page_while_the_new_version_loads_says_who_answers() -> None:
    deployment = make_deployment()
    Route.objects.update(weight=0)
    Route.objects.create(deployment=deployment, version=make_version(number=2))
    page = read(make_browser(), page_of(deployment))
    assert "intent v2 is loading" in page
    assert "answers until the new version has loaded" in page


def test_deployment_page_shows_the_day_by_version() -> None:
    deployment = make_deployment()
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    for version, errors in ((1, 3), (2, 0)):
        MetricWindow.objects.create(
            minute=minute, deployment="intent", version=version, requests=1200, errors=errors, histogram={"20": 1200}
        )
    close_windows()
    page = read(make_browser(), page_of(deployment))
    assert page.count("1,200") >= 2
    assert "version=1&amp;status=errors" in page


def test_live_part_of_a_deployment_gives_the_first_line_alone() -> None:
    deployment = make_deployment()
    part = read(make_browser(), reverse("admin:inference_deployment_live", args=[deployment.pk]))
    assert "intent v1 is live" in part
    assert "<html" not in part


def test_deploy_verb_says_who_called_and_deploys_through_the_service() -> None:
    deployment = make_deployment()
    second = make_version(number=2)
    make_request()
    browser = make_browser()
    page = read(browser, reverse("admin:inference_deployment_do", args=[deployment.pk, "deploy"]))
    assert "1 client has called it in the last hour" in page
    assert str(second.pk) in page
    answer = do(browser, deployment, "deploy", version=second.pk, reason="better", revision=0)
    assert answer.status_code == 302, answer.content.decode()
    assert deployment.routes.get(weight=100).version == second
    event = AuditEvent.objects.get(action="inference.deployed")
    assert event.reason == "better"


def test_deploy_verb_with_a_version_that_is_not_ready_is_refused() -> None:
    deployment = make_deployment()
    pending = make_version(number=2, state="pending")
    answer = do(make_browser(), deployment, "deploy", version=pending.pk, reason="better", revision=0)
    assert answer.status_code == 200
    assert deployment.routes.get().version.number == 1


def test_disable_enable_and_delete_are_done_in_this_order_only() -> None:
    deployment = make_deployment()
    browser = make_browser()
    assert do(browser, deployment, "delete", reason="x", typed_name="intent").status_code == 403
    do(browser, deployment, "disable", reason="x")
    deployment.refresh_from_db()
    assert not deployment.is_enabled
    assert "out of service" in read(browser, page_of(deployment))
    assert do(browser, deployment, "delete", reason="x", typed_name="other").status_code == 200
    assert do(browser, deployment, "delete", reason="x", typed_name="intent")["Location"] == LIST
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("verb", ["deploy", "disable"])
@pytest.mark.parametrize("role", ["reviewer", "auditor"])
def test_verbs_by_a_role_that_may_not_are_refused(role: str, verb: str) -> None:
    deployment = make_deployment()
    browser = make_browser(role)
    assert do(browser, deployment, verb, reason="x").status_code == 403
    assert f"/do/{verb}/" not in read(browser, page_of(deployment))


def test_new_deployment_page_makes_one_from_a_ready_version() -> None:
    version = make_version()
    browser = make_browser()
    page = read(browser, f"{LIST}add/?version={version.pk}&name=intent")
    assert f'<option value="{version.pk}" selected>' in page
    answer = browser.post(f"{LIST}add/", {"name": "의도", "version": version.pk})
    assert answer["Location"] == page_of(Deployment.objects.get(name="의도"))


def test_new_deployment_with_a_bad_name_says_so_in_the_form() -> None:
    answer = make_browser().post(f"{LIST}add/", {"name": "a/b", "version": make_version().pk})
    assert answer.status_code == 200
    assert "slash" in answer.content.decode()


def test_new_deployment_page_without_a_ready_version_leads_to_the_models() -> None:
    assert "No version is ready yet" in read(make_browser(), f"{LIST}add/")


def test_deployments_page_shows_states_and_does_not_ask_more_for_more_rows() -> None:
    browser, counts = make_browser(), []
    read(browser, LIST)  # what waits for a person is counted once a minute
    for names in (["a", "b"], [f"c{n}" for n in range(20)]):
        for name in names:
            make_deployment(name)
        with CaptureQueriesContext(connection) as queries:
            page = read(browser, LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert "All 22 deployments serve" in page


def test_deployments_page_without_any_says_how_to_begin() -> None:
    page = read(make_browser(), LIST)
    assert "Nothing is deployed yet" in page
    assert "import_model" in page


def test_deployments_page_of_many_is_paged_by_name() -> None:
    Deployment.objects.bulk_create(Deployment(name=f"d{n:03}") for n in range(60))
    browser = make_browser()
    assert "d049" in read(browser, LIST)
    second = read(browser, f"{LIST}?after=d049")
    assert "d050" in second
    assert "d049<" not in second


def test_registry_learns_where_a_version_serves() -> None:
    deployment = make_deployment()
    version = deployment.routes.get().version
    (usage,) = find_usages(ModelVersion.objects.all())[version.pk]
    assert usage.url == page_of(deployment)
    assert any(str(version.pk) in step.url(version) for step in next_steps())


def test_version_with_a_batch_run_that_is_over_is_not_said_to_serve() -> None:
    make_rows(1)
    Route.objects.all().delete()
    run = BatchRun.objects.select_related("version").get()
    versions = ModelVersion.objects.filter(pk=run.version_id)
    assert run.version_id in live_usages(versions)
    Job.objects.filter(pk=run.job_id).update(state=Job.State.SUCCEEDED)
    assert (run.version_id in find_usages(versions), live_usages(versions)) == (True, {})
