"""A deployment taken away: its name is free, and what it served at any time is known on."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotAllowed
from common.transactions import transactional
from guards.services import bump
from inference.models import Deployment, Revision
from inference.services.deployments import STAMP, Actor, live_version
from inference.services.routing import write_revision
from registry.services.promotion import Wish, demanded, refusals_told

CHANGE_POLICY = "registry.change_gatepolicy"


@transactional
def delete_deployment(*, deployment: Deployment, actor: Actor, reason: str = "") -> None:
    """Remove a deployment that is out of service; its requests and history stay. Raises Conflict while in service.

    Where a policy guards what serves there only who may change policies removes it: under the free name anything could
    serve.
    """
    deployment = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if deployment.is_enabled:
        raise Conflict(_("%(name)s is in service; take it out of service first") % {"name": deployment.name})
    before = live_version(deployment)
    is_guarded = before is not None and demanded(Wish(before, deployment=deployment.name)) is not None
    if is_guarded and not (isinstance(actor, User) and actor.is_active and actor.has_perm(CHANGE_POLICY)):
        with refusals_told(action="inference.deployment_deleted", actor=actor, target=deployment):
            said = _("a policy guards what %(name)s serves: an administrator removes it")
            raise NotAllowed(said % {"name": deployment.name}, code="guarded")
    write_revision(deployment, [], what=Revision.What.DELETED, actor=actor, reason=reason)
    deployment.revisions.update(deployment=None, deployment_name=deployment.name)
    record(
        action="inference.deployment_deleted",
        actor=actor,
        target=deployment,
        before={"version": str(before) if before else None},
        reason=reason,
    )
    deployment.delete()
    bump(STAMP)
