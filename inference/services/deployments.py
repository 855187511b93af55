"""What operators do to a deployment apart from its traffic."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict
from common.strict_json import check_text
from common.transactions import transactional
from guards.services import bump
from inference.models import Deployment, Route, RunnerState
from registry.models import ModelVersion

STAMP = "routes"
Actor = User | str | None


@transactional
def update_deployment(*, deployment: Deployment, description: str, actor: Actor, reason: str = "") -> Deployment:
    """Change what is said of a deployment. Raises Invalid for a text with characters that no database keeps."""
    before = Deployment.objects.values_list("description", flat=True).get(pk=deployment.pk)
    if before != description:
        deployment.description = check_text(description, field="description")
        deployment.save(update_fields=["description", "updated_at"])
        record(
            action="inference.deployment_described",
            actor=actor,
            target=deployment,
            before={"description": before},
            after={"description": description},
            reason=reason,
        )
    return deployment


@transactional
def set_enabled(*, deployment: Deployment, enabled: bool, actor: Actor, reason: str = "") -> Deployment:
    """Take a deployment out of service, or back in. Raises Conflict if it is so already."""
    changed = Deployment.objects.filter(pk=deployment.pk, is_enabled=not enabled).update(is_enabled=enabled)
    if not changed:
        said = _("%(name)s is in service already") if enabled else _("%(name)s is out of service already")
        raise Conflict(said % {"name": deployment.name})
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
