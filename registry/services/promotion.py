"""The one rule of promotion: what holds before a protected alias, or the calls of a deployment, go to a version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.roles import ADMINISTRATOR, ROLES
from audit.services import record, record_refusal
from common.errors import Conflict, NotAllowed
from notify.services import publish
from registry.models import AliasRule, ApprovalRequest, GatePolicy, ModelVersion, RegisteredModel
from registry.services import gates
from registry.services._state import Actor
from registry.usage import models_behind

MOVE = "registry.change_modelalias"
TOLD_ONCE_IN_S = 60
State = ApprovalRequest.State


@dataclass(frozen=True, slots=True)
class Wish:
    """A version that shall get a name or the calls of a deployment, or a name that shall be taken from it."""

    version: ModelVersion
    alias: str = ""
    deployment: str = ""
    is_removal: bool = False

    def __str__(self) -> str:
        words = _("%(version)s as %(alias)s") if self.alias else _("%(version)s in deployment %(deployment)s")
        words = _("taking %(alias)s from %(version)s") if self.is_removal else words
        return words % {"version": self.version, "alias": self.alias, "deployment": self.deployment}


class GateFailed(Conflict):
    """The version does not show what the policy of its model demands."""

    def __init__(self, version: ModelVersion, reasons: Sequence[gates.Reason]) -> None:
        said = [str(reason.words) for reason in reasons]
        told = _("%(version)s does not pass the gate: %(reasons)s") % {"version": version, "reasons": "; ".join(said)}
        super().__init__(told, code="gate_failed", fields={f"gate.{n}": words for n, words in enumerate(said, 1)})
        self.reasons = list(reasons)


class ApprovalNeeded(Conflict):
    """Others have to agree first; `request` is what was asked for already."""

    def __init__(self, wish: Wish, missing: int, request: ApprovalRequest | None) -> None:
        told = ngettext("%(wish)s needs %(count)d more approval", "%(wish)s needs %(count)d more approvals", missing)
        cure = _("it has been asked for, and somebody else approves it") if request else _("ask for it first")
        super().__init__(
            f"{told % {'wish': wish, 'count': missing}}: {cure}.",
            code="approval_needed",
            fields={"approval_request": str(request.pk)} if request else {},
        )
        self.wish, self.request = wish, request


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one promotion, with the approval that it uses up, if it needs one."""

    approval: ApprovalRequest | None = None

    def use(self, actor: Actor) -> None:
        """Mark the approval carried out, as the move's transaction ends. Raises Conflict if somebody was first."""
        if self.approval is None or self.approval.state == State.USED:
            return
        now = timezone.now()
        mine = ApprovalRequest.objects.filter(pk=self.approval.pk, state=State.APPROVED, expires_at__gt=now)
        if not mine.update(state=State.USED, used_at=now):
            raise Conflict(_("The approval was used or withdrawn meanwhile, or has expired."), code="approval_gone")
        tell_approval(self.approval, "used", actor, before=State.APPROVED, after=State.USED)


def tell_approval(
    request: ApprovalRequest, what: str, actor: Actor, *, before: str, after: str, reason: str = ""
) -> None:
    """Tell of a change of a request's state: to the audit and to all who want to know."""
    wish = wish_of(request)
    told = {"request": str(request.pk), "wish": str(wish), "state": str(after), "reason": reason}
    publish(event="approval.decided", payload=told, target=request)
    record(
        action=f"registry.approval_{what}",
        actor=actor,
        target=request,
        before={"state": str(before)},
        after={"state": str(after)},
        reason=reason,
    )


def wish_of(request: ApprovalRequest) -> Wish:
    """Give what a request asks for."""
    return Wish(request.version, request.alias, request.deployment, request.is_removal)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a wish has to meet."""

    rule: AliasRule | None = None
    policies: Sequence[GatePolicy] = ()
    approvals: int = 0
    is_gated: bool = False

    def failures(self, version: ModelVersion) -> list[gates.Reason]:
        """Give all that keeps a version from passing the gates that count."""
        if not self.is_gated:
            return []
        if self.rule:
            return gates.failures(version=version)
        return [reason for policy in self.policies for reason in gates.failures(version=version, policy=policy)]


def demanded(wish: Wish) -> Demand | None:
    """Give what is demanded before a wish comes true, `None` where the permission alone is enough.

    For a deployment the policies of the models count that are live there too: no other model takes the place of one
    that is guarded for less.
    """
    model = wish.version.model
    if wish.alias:
        rule = AliasRule.objects.protecting(model, wish.alias)
        return Demand(rule, (), rule.approvals, rule.is_gated and not wish.is_removal) if rule else None
    models = {model.pk, *models_behind(wish.deployment)}
    policies = list(GatePolicy.objects.filter(model__in=models, guards_serving=True).order_by("pk"))
    return Demand(None, policies, max(one.approvals for one in policies), True) if policies else None


def demand(
    *,
    version: ModelVersion,
    actor: Actor,
    alias: str = "",
    deployment: str = "",
    is_removal: bool = False,
    is_serving: bool = False,
    is_return: bool = False,
) -> Permit:
    """Give leave to point an alias or the calls of a deployment at a version, or (`is_removal`) to take the alias away.

    It is asked, and the permit used, in the transaction of the move, with the row of the model or deployment locked.
    Where the version answers callers there already (`is_serving`) the approval counts that let it in; where it goes
    back to what it was (`is_return`) only the right is asked: that is the way out of a bad night.
    Raises NotAllowed, GateFailed with all reasons, ApprovalNeeded.
    """
    wish = Wish(version, alias, deployment, is_removal)
    wanted = demanded(wish)
    if wanted is None:
        return Permit()
    tried = "alias_removal" if is_removal else "promotion"
    name = wanted.rule.name if wanted.rule else deployment
    with refusals_told(action=f"registry.{tried}_refused", actor=actor, target=version, name=name):
        if wanted.rule:
            demand_right(rule=wanted.rule, actor=actor)
        if is_return:
            return Permit()
        if reasons := wanted.failures(version):
            raise GateFailed(version, reasons)
        return Permit(_agreed(wish, wanted.approvals, is_serving=is_serving) if wanted.approvals else None)


@contextmanager
def refusals_told(*, action: str, actor: Actor, target: Model | None, **details: str) -> Iterator[None]:
    """Keep in the audit what the rule refuses here; the same to the same person once a minute."""
    try:
        yield
    except (NotAllowed, GateFailed, ApprovalNeeded) as error:
        record_refusal(
            action=action,
            actor=actor,
            target=target,
            after={**details, "code": error.code},
            reason=error.message,
            once_in_s=TOLD_ONCE_IN_S,
        )
        raise


def demand_right(*, rule: AliasRule, actor: Actor) -> None:
    """Raise NotAllowed unless somebody may move an alias under this rule."""
    if not may_move(rule=rule, actor=actor):
        roles = ", ".join(str(ROLES[name].label) if name in ROLES else name for name in rule.roles)
        raise NotAllowed(
            _("The alias %(alias)s is protected: only these roles may move it: %(roles)s.")
            % {"alias": rule.name, "roles": roles},
            code="alias_protected",
        )


def may_move(*, rule: AliasRule, actor: object) -> bool:
    """Tell whether somebody may move an alias under a rule, once others have agreed: a person with one of its roles."""
    if not isinstance(actor, User) or not actor.is_active or not actor.has_perm(MOVE):
        return False
    is_owner = actor.is_superuser and ADMINISTRATOR in rule.roles
    return is_owner or actor.groups.filter(name__in=list(rule.roles)).exists()


def demand_free_name(*, model: RegisteredModel, actor: Actor) -> None:
    """Raise NotAllowed where a model with a protected alias is given another name by somebody who may not change rules.

    Whoever calls that alias would find nothing, or what somebody else puts under the old name.
    """
    protected = {rule.name.casefold() for rule in AliasRule.objects.of(model)}
    stages = model.versions.present().exclude(stage="None").values_list("stage", flat=True).distinct()
    names = [*model.aliases.values_list("name", flat=True), *stages]
    named = [name for name in names if name.casefold() in protected]
    if named and not (isinstance(actor, User) and actor.is_active and actor.has_perm("registry.change_aliasrule")):
        told = _("The alias %(alias)s is protected: only an administrator gives the model another name.")
        with refusals_told(action="registry.model_renamed", actor=actor, target=model):
            raise NotAllowed(told % {"alias": named[0]}, code="alias_protected")


def requests_for(wish: Wish) -> list[ApprovalRequest]:
    """Give all that was asked for a wish, newest first, each with `given`."""
    same = wish.version.approvals.filter(
        alias=wish.alias, deployment=wish.deployment, is_removal=wish.is_removal
    ).with_given()
    return list(same.order_by("-id"))


def _agreed(wish: Wish, needed: int, *, is_serving: bool) -> ApprovalRequest:
    """Give the request that enough people have approved. Raises ApprovalNeeded."""
    asked, now = requests_for(wish), timezone.now()
    unused = [one for one in asked if one.state in (State.WAITING, State.APPROVED) and one.expires_at > now]
    used = [one for one in asked if one.state == State.USED and is_serving]
    good = [one for one in unused if one.state == State.APPROVED] + used
    for request in good:
        if request.given >= needed:  # type: ignore[attr-defined]  # annotated
            return request
    waiting = unused[0] if unused else None
    missing = needed - (waiting.given if waiting else 0)  # type: ignore[attr-defined]  # annotated
    raise ApprovalNeeded(wish, max(missing, 1), waiting)
