"""What the model host reads from and writes to the database; each function is one short call of the database thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from common.errors import NotFound
from guards.services import bump
from inference.models import Route, RunnerState
from inference.models.batches import BatchRun
from inference.services import STAMP, settle_routes
from registry.models import ModelVersion

State = RunnerState.State


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that is to be served."""

    id: UUID
    label: str
    is_trusted: bool


def read_wanted(explicit: Iterable[UUID] = ()) -> dict[UUID, Wanted]:
    """Give the ready versions that an enabled deployment routes to or a batch run is at, and the explicitly loaded."""
    routed = Route.objects.filter(deployment__is_enabled=True).values("version_id")
    ready = ModelVersion.objects.ready().select_related("model")
    batches = BatchRun.objects.running().values("version_id")
    versions = ready.filter(Q(pk__in=routed) | Q(pk__in=batches) | Q(pk__in=list(explicit)))
    return {version.pk: Wanted(version.pk, str(version), version.is_trusted) for version in versions}


def read_version(version_id: UUID) -> ModelVersion:
    """Give a version with its files. Raises NotFound."""
    version = ModelVersion.objects.select_related("model").prefetch_related("files__blob").filter(pk=version_id).first()
    if version is None:
        raise NotFound("there is no such model version")
    return version


def reset() -> None:
    """Say of every process that it is gone: a killed host left its rows as they were."""
    RunnerState.objects.exclude(state=State.STOPPED, socket_path="").update(
        state=State.STOPPED, socket_path="", pid=None
    )
    bump(STAMP)


def write(version_id: UUID, fields: dict[str, Any]) -> None:
    """Write fields of one row and tell web; a version that has been deleted meanwhile has no row.

    Once it is ready, the routes that served in its stead end.
    """
    try:
        with transaction.atomic():
            runner, _ = RunnerState.objects.update_or_create(version_id=version_id, defaults=fields)
            if runner.state == State.READY:
                settle_routes(version=runner.version)
            else:
                bump(STAMP)
    except IntegrityError:
        if ModelVersion.objects.filter(pk=version_id).exists():
            raise


def beat(version_ids: Iterable[UUID]) -> None:
    """Write a sign of life of the processes that serve."""
    RunnerState.objects.filter(pk__in=list(version_ids), state=State.READY).update(heartbeat_at=timezone.now())
