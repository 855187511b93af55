"""What operators do to deployments."""

from __future__ import annotations

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from common.names import safe_name
from common.transactions import transactional
from guards.services import bump
from inference.models import Deployment, Route, RunnerState
from notify.services import publish
from registry.models import ModelVersion

STAMP = "routes"
Actor = User | str | None
NAME_LENGTH = 100


@transactional
def deploy(*, name: str, version: ModelVersion, actor: Actor, reason: str = "") -> Deployment:
    """Let a version answer for a deployment, which is made if there is none.

    The version that served before goes on until the new one has loaded (`settle_routes`). Raises Invalid for a bad
    name, Conflict if the version is not ready. Safe to call again.
    """
    version = ModelVersion.objects.select_for_update().select_related("model").get(pk=version.pk)
    if version.state != ModelVersion.State.READY:
        raise Conflict(f"{version} is {version.get_state_display()}; only a version that is ready can be deployed")
    deployment, is_new = Deployment.objects.get_or_create(name=_checked_name(name))
    before = live_version(deployment)
    if before == version and not is_new:
        return deployment
    routes = Route.objects.filter(deployment=deployment, kind=Route.Kind.LIVE)
    routes.exclude(version=before).delete()
    routes.update(weight=0)
    Route.objects.update_or_create(
        deployment=deployment, version=version, kind=Route.Kind.LIVE, defaults={"weight": 100}
    )
    deployment.save(update_fields=["updated_at"])
    told = {"deployment": deployment.name, "before": str(before) if before else None, "after": str(version)}
    publish(event="deployment.changed", payload=told, target=deployment)
    record(
        action="inference.deployed",
        actor=actor,
        target=deployment,
        before={"version": str(before) if before else None},
        after={"version": str(version)},
        reason=reason,
    )
    bump(STAMP)
    return deployment


@transactional
def settle_routes(*, version: ModelVersion) -> None:
    """End the routes that only served until this version had loaded. Called by the model host."""
    live = Route.objects.filter(kind=Route.Kind.LIVE)
    deployments = list(live.filter(version=version, weight__gt=0).values_list("deployment_id", flat=True))
    live.filter(weight=0, deployment_id__in=deployments).delete()
    bump(STAMP)


@transactional
def update_deployment(*, deployment: Deployment, description: str, actor: Actor) -> Deployment:
    """Change what is said of a deployment."""
    before = deployment.description
    if before != description:
        deployment.description = description
        deployment.save(update_fields=["description", "updated_at"])
        record(
            action="inference.deployment_described",
            actor=actor,
            target=deployment,
            before={"description": before},
            after={"description": description},
        )
    return deployment


@transactional
def set_enabled(*, deployment: Deployment, enabled: bool, actor: Actor, reason: str = "") -> Deployment:
    """Take a deployment out of service, or back in. Raises Conflict if it is so already."""
    changed = Deployment.objects.filter(pk=deployment.pk, is_enabled=not enabled).update(is_enabled=enabled)
    if not changed:
        raise Conflict(f"{deployment.name} is {'in' if enabled else 'out of'} service already")
    deployment.refresh_from_db()
    record(
        action="inference.deployment_enabled" if enabled else "inference.deployment_disabled",
        actor=actor,
        target=deployment,
        before={"enabled": not enabled},
        after={"enabled": enabled},
        reason=reason,
    )
    bump(STAMP)
    return deployment


@transactional
def delete_deployment(*, deployment: Deployment, actor: Actor, reason: str = "") -> None:
    """Remove a deployment that is out of service; its requests stay. Raises Conflict while it is in service."""
    deployment = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if deployment.is_enabled:
        raise Conflict(f"{deployment.name} is in service; disable it first")
    before = live_version(deployment)
    record(
        action="inference.deployment_deleted",
        actor=actor,
        target=deployment,
        before={"version": str(before) if before else None},
        reason=reason,
    )
    deployment.delete()
    bump(STAMP)


def live_version(deployment: Deployment) -> ModelVersion | None:
    """Give the version that a deployment is meant to serve, `None` if none was chosen."""
    route = (
        Route.objects.filter(deployment=deployment, kind=Route.Kind.LIVE)
        .select_related("version__model")
        .order_by("-weight", "-id")
        .first()
    )
    return route.version if route else None


def runner_of(version: ModelVersion) -> RunnerState | None:
    """Give what the model host says of a version, `None` before it has said anything."""
    return RunnerState.objects.filter(version=version).first()


def _checked_name(name: str) -> str:
    cleaned = safe_name(name)
    if not cleaned or len(cleaned) > NAME_LENGTH or "/" in cleaned:
        raise Invalid("a deployment's name has 1 to 100 characters and no slash", fields={"name": "not a good name"})
    return cleaned
