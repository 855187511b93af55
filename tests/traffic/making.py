"""A deployment of a text model whose versions have loaded, for the doors of its traffic."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.utils import timezone

from common.ids import uuid7
from inference import services
from inference.models import Deployment, Route, RouteTally, RunnerState, ShadowResult
from inference.traffic.evidence import score_bucket
from inference.traffic.judging import Counts
from registry.models import ModelVersion, RegisteredModel
from tests.runner.making import TEXT_SIGNATURE


def make_version(number: int, *, runner: str = "ready", error: str = "", name: str = "intent") -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(name=name)
    version = ModelVersion.objects.create(
        model=model, number=number, state="ready", format="safetensors", signature=TEXT_SIGNATURE
    )
    if runner:
        RunnerState.objects.create(version=version, state=runner, error=error, heartbeat_at=timezone.now())
    return version


def make_deployment(version: ModelVersion | None = None, **more: Any) -> Deployment:
    return services.deploy(name="intent", version=version or make_version(1), actor=None, **more)


def start_canary(deployment: Deployment, version: ModelVersion, weight: int = 5, **more: Any) -> Route:
    return services.start_canary(deployment=deployment, version=version, weight=weight, actor=None, **more)


def start_shadow(deployment: Deployment, version: ModelVersion, share: int = 20) -> Route:
    return services.start_shadow(deployment=deployment, version=version, share_percent=share, actor=None)


def count_canary(route: Route, *, canary: int, live: int, errors: int = 0) -> None:
    both = {"canary": Counts(canary, errors), "live": Counts(live, 0)}
    for counts in both.values():
        counts.latency["24"] = counts.requests
    RouteTally.objects.create(route=route, process=uuid4(), counts={name: one.as_dict() for name, one in both.items()})


def count_shadow(route: Route, *, same: int, other: int, failed: int = 0) -> None:
    differences = {str(score_bucket(0.01)): same, str(score_bucket(-0.3)): other}
    counts: dict[str, Any] = {"answered": same + other, "failed": failed, "labelled": same + other, "same_labels": same}
    counts |= {"difference": float(other), "latency": {"20": same + other}, "score_differences": differences}
    RouteTally.objects.create(route=route, process=uuid4(), counts=counts)


def make_shadow_result(version: int = 2, **more: Any) -> ShadowResult:
    fields = {
        "created_at": timezone.now(), "request_id": uuid7(), "deployment": "intent", "model": "intent",
        "version": version, "live_version": 1, "rows": 1, "outputs": '[{"label": "환불", "score": 0.61}]',
        "difference": 1.0, "same_labels": 0.0, "score_difference": 0.3, "latency_ms": 8.0, "live_latency_ms": 9.0,
    }  # fmt: skip
    return ShadowResult.objects.create(**(fields | more))


def weights(deployment: Deployment) -> dict[tuple[int, str], int]:
    return {(route.version.number, route.kind): route.weight for route in deployment.routes.select_related("version")}
