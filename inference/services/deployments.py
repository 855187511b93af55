"""What operators do to a deployment apart from its traffic."""

from __future__ import annotations

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotAllowed
from common.transactions import transactional
from guards.services import bump
from inference.models import Deployment, Route, RunnerState
from registry.models import ModelVersion
from registry.services.promotion import Wish, demanded

STAMP = "routes"
CHANGE_POLICY = "registry.change_gatepolicy"
Actor = User | str | None


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
    """Remove a deployment that is out of service; its requests stay. Raises Conflict while it is in service.

    Where a policy guards what serves there only who may change policies removes it: under the free name anything could
    serve.
    """
    deployment = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if deployment.is_enabled:
        raise Conflict(f"{deployment.name} is in service; disable it first")
    before = live_version(deployment)
    is_guarded = before is not None and demanded(Wish(before, deployment=deployment.name)) is not None
    if is_guarded and not (isinstance(actor, User) and actor.is_active and actor.has_perm(CHANGE_POLICY)):
        raise NotAllowed(f"a policy guards what {deployment.name} serves: an administrator removes it", code="guarded")
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
