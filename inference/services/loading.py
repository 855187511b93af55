"""What follows when a version has loaded, or cannot be."""

from __future__ import annotations

from django.db.models import QuerySet

from common.transactions import transactional
from guards.services import bump
from inference.models import Deployment, Revision, Route
from inference.services.canaries import stop_canary
from inference.services.deployments import STAMP
from inference.services.routing import drop_stand_ins, shares_of, write_revision
from registry.models import ModelVersion

HOST = "model host"


@transactional
def settle_routes(*, version: ModelVersion) -> None:
    """End the routes that only served until this version had loaded. Called by the model host."""
    waiting = Route.objects.filter(kind=Route.Kind.LIVE, weight=0).values("deployment_id")
    for deployment in _locked(Deployment.objects.filter(routes__version=version, pk__in=waiting)):
        drop_stand_ins(deployment)
    bump(STAMP)


@transactional
def note_failure(*, version: ModelVersion, error: str) -> None:
    """Write into the history of each deployment that routes to it that a version could not be loaded; end its canaries.

    Once for each change: a version that is tried again and fails again adds nothing.
    """
    for found in _locked(Deployment.objects.filter(routes__version=version, routes__weight__gt=0)):
        told = {"version": str(version), "error": error[:2000]}
        if not _is_noted(found, told["version"]):
            write_revision(found, shares_of(found), what=Revision.What.NOT_LOADED, actor=HOST, data=told)
        canary = found.routes.filter(version=version, kind=Route.Kind.CANARY).first()
        if canary is not None:
            stop_canary(route=canary, data={"reason": {"code": "not_loaded", "error": told["error"]}})
    bump(STAMP)


def _is_noted(deployment: Deployment, version: str) -> bool:
    """Tell whether the history says that a version could not be loaded since the last change of routes."""
    for revision in deployment.revisions.order_by("-number").iterator(chunk_size=100):
        if revision.what != Revision.What.NOT_LOADED:
            return False
        if revision.data.get("version") == version:
            return True
    return False


def _locked(deployments: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Give those of the deployments that are still there, with their rows locked."""
    found = set(deployments.values_list("pk", flat=True))
    return Deployment.objects.select_for_update().filter(pk__in=found).order_by("pk")
