"""Calls of a deployment with two versions: by REST with a route key, and both beside each other on the try-it page."""

from __future__ import annotations

from typing import Any

import pytest

from inference import services
from inference.models import InferenceRequest, RunnerState
from registry.models import ModelVersion
from tests.doors.api_door import predict
from tests.inference.serving import Serving
from tests.inference.test_admin_requests import make_browser, read
from tests.inference.test_admin_try_it import page_of, run

pytestmark = pytest.mark.django_db(transaction=True)
ROW: dict[str, Any] = {"inputs": {"x": [[1, 2, 3, 4]]}}


def try_second(served: Serving, weight: int = 50) -> ModelVersion:
    """Start a canary of a second version that the same child answers for."""
    first = served.version
    same = {"format": first.format, "manifest": first.manifest, "signature": first.signature, "state": first.state}
    second = ModelVersion.objects.create(model=first.model, number=2, **same)
    socket_path = RunnerState.objects.get(version=first).socket_path
    RunnerState.objects.create(version=second, state="ready", socket_path=socket_path)
    services.start_canary(deployment=served.deployment, version=second, weight=weight, actor=None)
    served.refresh()
    return second


def test_predict_when_it_has_a_route_key_meets_the_same_version_each_time(small: Serving) -> None:
    try_second(small)
    met = {
        key: {predict(small, ROW, **{"X-Flueman-Route-Key": key}).json()["version"] for _ in range(4)}
        for key in ("민지", "b", "c", "d", "e", "f", "g", "h")
    }
    assert all(len(versions) == 1 for versions in met.values())
    assert set.union(*met.values()) == {1, 2}


def test_try_page_on_two_versions_shows_both_answers_and_that_they_are_the_same(small: Serving) -> None:
    try_second(small)
    browser = make_browser()
    assert "small v2 · canary 50 %" in read(browser, page_of(small))
    reply = run(browser, small, input_0="1, 2, 3, 4", version="1", against="2")
    assert "small v1" in reply["html"]
    assert "small v2" in reply["html"]
    assert "The answers are the same." in reply["html"]
    assert sorted(InferenceRequest.objects.values_list("version", flat=True)) == [1, 2]


def test_try_page_with_a_version_that_is_not_routed_shows_why_beside_the_other(small: Serving) -> None:
    try_second(small)
    reply = run(make_browser(), small, input_0="1, 2, 3, 4", version="1", against="<b>7")
    assert "does not serve version &lt;b&gt;7" in reply["html"].replace("&#x27;", "'")
    assert "small v1" in reply["html"]


def test_try_page_with_a_shadow_offers_no_version_to_choose(small: Serving) -> None:
    second = try_second(small)
    services.end_route(route=small.deployment.routes.get(version=second), actor=None)
    services.start_shadow(deployment=small.deployment, version=second, share_percent=50, actor=None)
    assert "small v2" not in read(make_browser(), page_of(small))
