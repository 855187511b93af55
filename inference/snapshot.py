"""What a web process holds in memory so that no prediction waits for a query: callers and routes.

Refreshed when a stamp in the database has changed; stamps are read twice a second, so that an ended key, session or
route works at most a second longer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, close_old_connections

from accounts.credentials import Directory, load_directory
from common.errors import NotFound, NotReady, Unavailable
from guards.services import read_stamps
from inference.models import Deployment, Route, RunnerState
from registry.models import ModelVersion
from registry.signature import Signature

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A version that serves: what it is called, what it takes, and where its child listens."""

    version_id: str
    model: str
    version: int
    signature: Signature
    platform: str
    socket_path: str
    state: str
    error: str
    addresses: tuple[str, ...] = ()  # of all processes that serve it; `socket_path` is one of them


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment as callers see it."""

    name: str
    is_enabled: bool
    targets: tuple[Target, ...]

    def choose(self, version: str | None = None) -> Target:
        """Give the version that answers: the chosen one, or while that loads the one before it.

        Raises NotFound for a version that is not served, NotReady if the deployment is out of service.
        """
        if not self.is_enabled or not self.targets:
            raise NotReady(f"deployment '{self.name}' is not in service", code="not_in_service")
        if version is None:
            return next((target for target in self.targets if target.state == "ready"), self.targets[0])
        for target in self.targets:
            if str(target.version) == version:
                return target
        raise NotFound(f"deployment '{self.name}' does not serve version {version[:40]}", code="unknown_version")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Callers and routes as they stood when `stamps` were read."""

    directory: Directory
    endpoints: dict[str, Endpoint]
    stamps: dict[str, int] = field(default_factory=dict)

    def endpoint(self, name: str) -> Endpoint:
        """Give a deployment. Raises NotFound."""
        try:
            return self.endpoints[name]
        except KeyError:
            raise NotFound(f"there is no deployment '{name[:100]}'", code="unknown_model") from None


def refresh(current: Snapshot | None) -> Snapshot | None:
    """Give a newer snapshot, or `current` where nothing has changed or the database does not answer.

    Without the database nothing is let in that was ended before, and nothing can be recorded, so nothing is served.
    """
    try:
        close_old_connections()
        stamps = read_stamps()
        if current is not None and stamps == current.stamps:
            return current
        old = current.stamps if current else {}
        is_same_people = current is not None and stamps.get("accounts") == old.get("accounts")
        directory = current.directory if current and is_same_people else load_directory()
        return Snapshot(directory, load_endpoints(), stamps)
    except (DatabaseError, InterfaceError, Unavailable) as error:
        logger.warning("the snapshot could not be refreshed: %s", error)
        return current


def load_endpoints() -> dict[str, Endpoint]:
    """Read all deployments with their live routes in three queries."""
    routes = (
        Route.objects.filter(kind=Route.Kind.LIVE)
        .select_related("version__model", "version__runner")
        .prefetch_related("version__replicas")
        .order_by("-weight", "-id")
    )
    targets: dict[int, list[Target]] = {}
    for route in routes:
        targets.setdefault(route.deployment_id, []).append(target_of(route.version))
    return {
        deployment.name: Endpoint(deployment.name, deployment.is_enabled, tuple(targets.get(deployment.pk, ())))
        for deployment in Deployment.objects.all()
    }


def target_of(version: ModelVersion) -> Target:
    """Give where a version is served, as its rows say it now."""
    runner: RunnerState | None = getattr(version, "runner", None)
    return Target(
        version_id=version.pk.hex,
        model=version.model.name,
        version=version.number,
        signature=version.parsed_signature(),
        platform=f"flueman_{version.format}",
        socket_path=runner.socket_path if runner else "",
        state=runner.state if runner else RunnerState.State.STARTING.value,
        error=runner.error if runner else "",
        addresses=tuple(one.address for one in version.replicas.all())
        or ((runner.socket_path,) if runner and runner.socket_path else ()),
    )
