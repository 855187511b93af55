"""Asking others to agree, with all that is known of the version."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import person, record
from common.errors import Conflict, Invalid, NotAllowed
from common.strict_json import check_text
from common.transactions import transactional
from notify.services import publish
from registry.models import ApprovalRequest, ModelVersion
from registry.naming import alias_name
from registry.services._state import Actor, lock_model
from registry.services.approval_letters import tell_approvers
from registry.services.approvals import DEPLOY, OPEN, checked_comment, demand_person
from registry.services.evidence import gather
from registry.services.promotion import Wish, demand_right, demanded, requests_for

STAGED = ("staging", "production")


@transactional
def request_approval(
    *,
    version: ModelVersion,
    actor: Actor,
    alias: str = "",
    deployment: str = "",
    comment: str = "",
    is_removal: bool = False,
    old_alias: str = "",
) -> ApprovalRequest:
    """Ask others to agree that a version gets an alias or the calls of a deployment, with what is known of it.

    Raises NotAllowed without the right to carry it out, Conflict where nobody has to agree, the version is not ready,
    or the same is asked already.
    """
    wish = _checked_wish(version, alias, deployment, is_removal)
    asker = demand_person(actor)
    lock_model(version.model)
    version.refresh_from_db()
    wanted = demanded(wish)
    if wanted is None or not wanted.approvals:
        raise Conflict(_("%(wish)s needs nobody's approval.") % {"wish": wish}, code="no_approval_needed")
    if wanted.rule:
        demand_right(rule=wanted.rule, actor=actor)
    elif not asker.has_perm(DEPLOY):
        raise NotAllowed(_("You may not choose the version that serves."))
    _demand_askable(wish)
    request = ApprovalRequest.objects.create(
        version=version,
        alias=wish.alias,
        deployment=wish.deployment,
        is_removal=is_removal,
        old_alias=old_alias and alias_name(old_alias),
        comment=checked_comment(comment),
        evidence=gather(wish),
        approvals_needed=wanted.approvals,
        asked_by=asker,
        asked_by_name=asker.get_username(),
        expires_at=timezone.now() + timedelta(hours=settings.APPROVAL_HOURS),
    )
    tell_approvers(request, wish)
    told = {"request": str(request.pk), "wish": str(wish), "needed": wanted.approvals, "asked_by": person(asker)}
    publish(event="approval.asked", payload={**told, "asked_by": asker.get_username()}, target=request)
    record(action="registry.approval_asked", actor=actor, target=request, after=told, reason=comment)
    return request


def _checked_wish(version: ModelVersion, alias: str, deployment: str, is_removal: bool) -> Wish:
    if bool(alias) == bool(deployment) or (is_removal and not alias):
        raise Invalid(_("Name an alias or a deployment."), fields={"alias": "or deployment, one of them"})
    if len(deployment) > ApprovalRequest._meta.get_field("deployment").max_length:  # type: ignore[operator]
        raise Invalid(_("The name of the deployment is too long."), fields={"deployment": "is too long"})
    return Wish(version, alias and alias_name(alias), check_text(deployment, field="deployment").strip(), is_removal)


def _demand_askable(wish: Wish) -> None:
    """Raise Conflict where there is nothing to ask, or it is asked already."""
    version = wish.version
    points = version.aliases.filter(name=wish.alias).exists() if wish.alias else False
    is_staged = version.stage.casefold() == wish.alias.casefold()  # a stage of MLflow counts as a name
    is_so = points or is_staged if wish.is_removal else points and (is_staged or wish.alias.casefold() not in STAGED)
    if wish.alias and is_so != wish.is_removal:
        said = (
            _("%(alias)s points at %(version)s already.") if points else _("%(alias)s does not point at %(version)s.")
        )
        raise Conflict(said % {"alias": wish.alias, "version": version}, code="nothing_to_do")
    if not wish.is_removal and version.state != ModelVersion.State.READY:
        raise Conflict(_("%(version)s is not ready: it has to pass its check first.") % {"version": version})
    now = timezone.now()
    asked = [one for one in requests_for(wish) if one.state in OPEN and one.expires_at > now]
    if asked:
        raise Conflict(
            _("%(wish)s is asked for already.") % {"wish": wish},
            code="asked_already",
            fields={"approval_request": str(asked[0].pk)},
        )
