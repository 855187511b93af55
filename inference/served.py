"""What was served of a model at any time, from the history of traffic: the registry asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from inference.figures.metrics import DAY, of_version
from inference.models import Deployment, Revision, RunnerState
from registry.models import ModelVersion, RegisteredModel
from registry.usage import Served, Traffic

Key = tuple[str, int, str]  # deployment, version, kind


def served_of(model: RegisteredModel, since: datetime, until: datetime) -> list[Served]:
    """Give what deployments gave versions of a model at some time of a span: one line for as long as a share stays."""
    revisions = _revisions(since, until)
    number_of = _numbers(model, revisions)
    open_: dict[Key, tuple[Revision, int]] = {}
    ended: list[Served] = []
    for revision in revisions:
        routes = [(number_of(one), one) for one in revision.routes if one["weight"]]
        name = _name_of(revision)
        now = {(name, number, one["kind"]): one["weight"] for number, one in routes if number}
        for key, (begun, weight) in list(open_.items()):
            if key[0] == name and now.get(key) != weight:
                ended.append(_served(begun, key, weight, revision.created_at))
                del open_[key]
        for key, weight in now.items():
            open_.setdefault(key, (revision, weight))
    going_on = [_served(begun, key, weight, None) for key, (begun, weight) in open_.items()]
    return [one for one in (*ended, *going_on) if one.until is None or one.until > since]


def _revisions(since: datetime, until: datetime) -> list[Revision]:
    """Give the changes of a span, and of each deployment the last one before it, oldest first.

    A deployment that was deleted ends with a change without routes: one that has its name by now begins after it.
    """
    before = Revision.objects.filter(deployment=OuterRef("pk"), created_at__lte=since).order_by("-number")
    standing = Deployment.objects.annotate(last=Subquery(before.values("pk")[:1])).values_list("last", flat=True)
    deleted = Revision.objects.filter(deployment=None, created_at__lte=since).order_by().values("deployment_name")
    last = [*standing, *deleted.annotate(last=Max("pk")).values_list("last", flat=True)]
    wanted = Q(created_at__gt=since, created_at__lte=until) | Q(pk__in=[key for key in last if key])
    return list(Revision.objects.filter(wanted).select_related("deployment", "user").order_by("pk"))


def _name_of(revision: Revision) -> str:
    return revision.deployment.name if revision.deployment else revision.deployment_name


def _numbers(model: RegisteredModel, revisions: list[Revision]) -> Any:
    """Give what tells the number of a version of this model from a route, `None` for another model's.

    A version that was purged is known by the name that the route keeps.
    """
    named = {UUID(one["version"]) for revision in revisions for one in revision.routes}
    known = dict(ModelVersion.objects.filter(pk__in=named).values_list("pk", "number"))
    mine = set(ModelVersion.objects.filter(model=model, pk__in=named).values_list("pk", flat=True))

    def number_of(route: Mapping[str, Any]) -> int | None:
        key = UUID(route["version"])
        if key in known:
            return known[key] if key in mine else None
        name, _v, number = str(route["name"]).rpartition(" v")
        return int(number) if name == model.name and number.isdecimal() else None

    return number_of


def _served(begun: Revision, key: Key, weight: int, until: datetime | None) -> Served:
    return Served(
        deployment=key[0],
        version=key[1],
        kind=key[2],
        weight=weight,
        since=begun.created_at,
        until=until,
        by=begun.user.get_username() if begun.user else begun.agent,
        url=reverse("admin:inference_deployment_change", args=[begun.deployment_id]) if begun.deployment_id else "",
    )


def traffic_of(version: ModelVersion) -> Traffic:
    """Give what a version answered in the last day, its shares now, and what its process takes."""
    now = timezone.now()
    spans = [one for one in served_of(version.model, now - DAY, now) if one.version == version.number]
    sums = of_version(deployments={one.deployment for one in spans}, version=version.number)
    runner = RunnerState.objects.filter(version=version).first()
    return Traffic(
        shares=tuple(one for one in spans if one.until is None),
        requests=sums.requests,
        error_share=sums.error_share,
        p50_ms=sums.p50_ms,
        p95_ms=sums.p95_ms,
        load_ms=runner.load_ms if runner else None,
        memory_bytes=runner.memory_bytes if runner else None,
    )
