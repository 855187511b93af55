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
from inference.remote.places import Place, place_of
from inference.traffic.choosing import slot_of, table
from registry.models import ModelVersion
from registry.signature import Signature

logger = logging.getLogger(__name__)

READY = RunnerState.State.READY


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
    remote: Place | None = None  # where it runs elsewhere
    has_served: bool = False  # it has been loaded, and so it comes back where its processes are away


@dataclass(frozen=True, slots=True)
class Tried:
    """A canary or a shadow: its route, and for a shadow the percent of calls that are copied to it."""

    route_id: int
    target: Target
    share: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment as callers see it.

    `targets` are all versions it routes to, `answering` those that callers meet and may name: all but the shadows. The
    first of either answers where nothing else is said. `slots` are the hundred places of `choosing.py`, empty where
    one version answers all calls.
    """

    name: str
    is_enabled: bool
    targets: tuple[Target, ...]
    answering: tuple[Target, ...]
    slots: tuple[Target, ...] = ()
    canary: Tried | None = None
    shadows: tuple[Tried, ...] = ()

    def choose(self, version: str | None = None, key: str = "") -> Target:
        """Give the version that answers: the one asked for, else that of the key's slot, else the first.

        Raises NotFound for a version that is not served, or only as a shadow: nobody has let it answer. Raises NotReady
        if the deployment is out of service.
        """
        if not self.is_enabled or not self.answering:
            raise NotReady(f"deployment '{self.name}' is not in service", code="not_in_service")
        if version is None:
            return self.slots[slot_of(self.name, key)] if self.slots and key else self.answering[0]
        for target in self.answering:
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
    """Read all deployments with their routes in three queries."""
    found: dict[int, list[Route]] = {}
    known = ("version__model", "version__runner", "version__remote__server")
    routes = Route.objects.select_related(*known).prefetch_related("version__replicas")
    for route in routes.order_by("-weight", "-id"):
        found.setdefault(route.deployment_id, []).append(route)
    return {
        deployment.name: _endpoint(deployment, found.get(deployment.pk, [])) for deployment in Deployment.objects.all()
    }


def _endpoint(deployment: Deployment, routes: list[Route]) -> Endpoint:
    """Give a deployment with its routes, the heaviest first. Where a version has not loaded the first stands in for it.

    The first is the heaviest live version that is ready, else one that has served and comes back: calls wait for it.
    """
    by_route = [(route, target_of(route.version)) for route in routes]
    has_live = any(route.kind == Route.Kind.LIVE and _serves(target) for route, target in by_route)
    ranked = sorted(by_route, key=lambda pair: _rank(*pair, has_live=has_live))
    targets = tuple(dict.fromkeys(target for _, target in ranked))
    answering = tuple(dict.fromkeys(target for route, target in ranked if route.kind != Route.Kind.SHADOW))
    taking = [(route, target) for route, target in by_route if route.kind != Route.Kind.SHADOW and route.weight]
    slots: tuple[Target, ...] = ()
    if len(taking) > 1:
        owners = table([(route.slots or (), route.weight) for route, _ in taking])
        ready = [target if target.state == READY else answering[0] for _, target in taking]
        slots = tuple(ready[owner] for owner in owners)
    tried = {kind: [_tried(*pair) for pair in by_route if pair[0].kind == kind] for kind in ("canary", "shadow")}
    canary = tried["canary"][0] if tried["canary"] else None
    return Endpoint(deployment.name, deployment.is_enabled, targets, answering, slots, canary, tuple(tried["shadow"]))


def _rank(route: Route, target: Target, *, has_live: bool) -> tuple[bool, ...]:
    """Give the place of a version, lowest first: a canary stands in for live ones only where none of them serves."""
    kind = route.kind
    is_behind = kind == Route.Kind.CANARY and has_live
    return kind == Route.Kind.SHADOW, is_behind, target.state != READY, not target.has_served, kind != Route.Kind.LIVE


def _serves(target: Target) -> bool:
    return target.state == READY or target.has_served


def _tried(route: Route, target: Target) -> Tried:
    return Tried(route.pk, target, route.weight)


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
        addresses=tuple(dict.fromkeys(one.address for one in version.replicas.all()))
        or ((runner.socket_path,) if runner and runner.socket_path else ()),
        remote=place_of(version),
        has_served=runner is not None and runner.load_ms is not None and runner.state != RunnerState.State.FAILED,
    )
