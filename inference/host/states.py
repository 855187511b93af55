"""What the model host reads from and writes to the database; each function is one short call of the database thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from common.errors import NotFound
from guards.services import bump
from inference.models import Deployment, ModelHost, Replica, Route, RunnerState, RunSettings
from inference.models.batches import BatchRun
from inference.models.settings import run_of
from inference.remote.places import Place, place_of
from inference.services import STAMP, note_failure, settle_routes
from jobs.models import Job
from registry.models import Evaluation, ModelVersion

State = RunnerState.State
STOPPED: Mapping[str, Any] = {"state": State.STOPPED, "addresses": [], "pid": None, "error": ""}
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A model host as its row says it: `address` is empty where web reaches it by sockets of one machine."""

    name: str
    address: str = ""
    takes: str = "*"

    def is_for(self, model: str) -> bool:
        """Whether this host serves versions of a model."""
        return any(fnmatchcase(model, pattern.strip()) for pattern in self.takes.split(","))

    def reach(self, socket: Path) -> str:
        """Give the address at which web reaches what listens at a socket of this host."""
        return f"{self.address}/{socket.stem}" if self.address else str(socket)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that is to be served."""

    id: UUID
    label: str
    is_trusted: bool
    remote: Place | None = None  # where it runs elsewhere
    run: RunSettings = field(default_factory=RunSettings)


def read_wanted(host: Identity, explicit: Iterable[UUID] = ()) -> dict[UUID, Wanted]:
    """Give the ready versions that an enabled deployment routes to or a job is at, and the explicitly loaded."""
    routed = Route.objects.filter(deployment__is_enabled=True).values("version_id")
    ready = ModelVersion.objects.ready().select_related("model", "remote__server", "run_settings")
    batches = BatchRun.objects.running().values("version_id")
    judged = Evaluation.objects.filter(job__state=Job.State.RUNNING, finished_at=None).values("version_id")
    versions = ready.filter(Q(pk__in=routed) | Q(pk__in=batches) | Q(pk__in=judged) | Q(pk__in=list(explicit)))
    return {
        version.pk: Wanted(version.pk, str(version), version.is_trusted, place_of(version), run_of(version))
        for version in versions
        if host.is_for(version.model.name)
    }


def read_version(version_id: UUID) -> ModelVersion:
    """Give a version with its files. Raises NotFound."""
    versions = ModelVersion.objects.select_related("model", "remote__server", "run_settings").prefetch_related(
        "files__blob"
    )
    version = versions.filter(pk=version_id).first()
    if version is None:
        raise NotFound("there is no such model version")
    return version


def reset(host: Identity) -> None:
    """Say that the host is there and none of its processes: a killed host left its rows as they were."""
    Replica.objects.filter(host=_row(host)).delete()
    elsewhere = Replica.objects.filter(host__in=ModelHost.objects.live()).values("version_id")
    RunnerState.objects.exclude(state=State.STOPPED, socket_path="").exclude(version_id__in=elsewhere).update(
        state=State.STOPPED, socket_path="", pid=None
    )
    bump(STAMP)


def write(host: Identity, version_id: UUID, fields: Mapping[str, Any]) -> None:
    """Write fields of one row and tell web; a version that has been deleted meanwhile has no row.

    `addresses` are where this host now serves the version. What happens here to one that another host serves as well
    does not end its being ready. Once it is ready, the routes that served in its stead end.
    """
    fields = dict(fields)
    addresses = fields.pop("addresses", None)
    try:
        with transaction.atomic():
            RunnerState.objects.get_or_create(version_id=version_id)
            runner = RunnerState.objects.select_for_update().get(pk=version_id)  # hosts write one after the other
            if addresses is not None:
                fields["socket_path"] = addresses[0] if addresses else ""
                _place(host, version_id, addresses)
            if fields.get("state", State.READY) != State.READY and (other := _elsewhere(host, version_id)):
                fields = {"state": State.READY, "socket_path": other.address, "pid": None}
            for name, value in fields.items():
                setattr(runner, name, value)
            runner.save(update_fields=list(fields))
            if runner.state == State.FAILED:
                note_failure(version=runner.version, error=runner.error)
            if runner.state == State.READY:
                settle_routes(version=runner.version)
            else:
                bump(STAMP)
    except IntegrityError:
        if ModelVersion.objects.filter(pk=version_id).exists():
            raise


@transaction.atomic
def release(host: Identity, version_ids: Set[UUID], explicit: Iterable[UUID] = ()) -> set[UUID]:
    """Say of versions that this host stops serving them, and give which; one that was routed to meanwhile stays.

    No change of routes goes on meanwhile: it would end what stands in for a version that has only just been stopped.
    Rows are locked in the order in which `write` does it.
    """
    known = {row.pk for row in RunnerState.objects.select_for_update().filter(pk__in=version_ids).order_by("pk")}
    list(Deployment.objects.select_for_update().order_by("pk").values_list("pk"))
    released = version_ids - read_wanted(host, explicit).keys()
    for version_id in released & known:
        write(host, version_id, STOPPED)
    return set(released)


def beat(host: Identity, served: Mapping[UUID, Sequence[str]]) -> None:
    """Write a sign of life of the host and of what it serves, and forget those that have given none."""
    row = _row(host)
    RunnerState.objects.filter(pk__in=served, state=State.READY).update(heartbeat_at=timezone.now())
    silent = Replica.objects.filter(host__in=ModelHost.objects.silent(), version_id__in=served)
    known = set(Replica.objects.filter(host=row).values_list("version_id", "address"))
    lost = {(version_id, address) for version_id, addresses in served.items() for address in addresses} - known
    if lost or silent.exists():  # lost: this host was silent itself, and another one thought it dead
        silent.delete()
        for version_id, address in lost:
            Replica.objects.get_or_create(version_id=version_id, host=row, address=address)
        bump(STAMP)
    ModelHost.objects.filter(heartbeat_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def _row(host: Identity) -> ModelHost:
    said = {"address": host.address, "takes": host.takes, "heartbeat_at": timezone.now()}
    return ModelHost.objects.update_or_create(name=host.name, defaults=said)[0]


def _place(host: Identity, version_id: UUID, addresses: Sequence[str]) -> None:
    row = ModelHost.objects.filter(name=host.name).first() or _row(host)
    here = Replica.objects.filter(version_id=version_id, host=row)
    here.exclude(address__in=addresses).delete()
    for address in addresses:
        Replica.objects.get_or_create(version_id=version_id, host=row, address=address)


def _elsewhere(host: Identity, version_id: UUID) -> Replica | None:
    live = Replica.objects.filter(version_id=version_id, host__in=ModelHost.objects.live())
    return live.exclude(host__name=host.name).first()
