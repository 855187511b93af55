"""A second pair of eyes: what is asked of others before a protected alias moves or a version serves.

Whoever asked, and whoever made the version, do not approve it; one who may decide and is neither has to. A rejection
ends a request, also an approved one that was not carried out. Every change of state is a conditional UPDATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid, NotAllowed
from common.strict_json import check_text
from common.transactions import transactional
from registry import usage
from registry.models import ApprovalDecision, ApprovalRequest, ModelVersion
from registry.services._state import Actor, lock_model
from registry.services.aliases import delete_alias, set_alias
from registry.services.approval_letters import tell_asker
from registry.services.promotion import MOVE, refusals_told, tell_approval

State, Verdict = ApprovalRequest.State, ApprovalDecision.Verdict
DECIDE = "registry.decide_approvalrequest"
DEPLOY = "inference.deploy_deployment"
MOST_COMMENT = 2000
OPEN = (State.WAITING, State.APPROVED)


@transactional
def decide(*, request: ApprovalRequest, actor: Actor, verdict: str, comment: str = "") -> ApprovalRequest:
    """Approve or reject what somebody else asks for; enough approvals make it approved, one rejection ends it.

    Raises NotAllowed for who asked, who made the version (for an approval), and without the right; Conflict where it
    was decided, withdrawn or has expired meanwhile, or this person has decided already.
    """
    if verdict not in Verdict.values:
        raise Invalid(_("A decision is “approve” or “reject”."), fields={"verdict": "is neither approve nor reject"})
    locked = _locked_open(request)
    with refusals_told(action="registry.approval_given", actor=actor, target=locked, verdict=verdict):
        judge = _demand_judge(locked, actor, verdict)
    if locked.decisions.filter(person=judge).exists():
        raise Conflict(_("You have decided already."), code="decided_already")
    text = checked_comment(comment)
    ApprovalDecision.objects.create(
        request=locked, person=judge, person_name=judge.get_username(), verdict=verdict, comment=text
    )
    if verdict == Verdict.REJECT:
        _move(locked, OPEN, State.REJECTED, actor, text)
    elif locked.state == State.WAITING and locked.decisions.count() >= locked.approvals_needed:
        _move(locked, (State.WAITING,), State.APPROVED, actor, text)
    else:
        given = {"approvals": locked.decisions.count(), "needed": locked.approvals_needed}
        record(action="registry.approval_given", actor=actor, target=locked, after=given, reason=text)
    return locked


@transactional
def withdraw(*, request: ApprovalRequest, actor: Actor, comment: str = "") -> ApprovalRequest:
    """Take back what one has asked for oneself. Raises NotAllowed for anybody else, Conflict where it is over."""
    locked = _locked_open(request)
    if not isinstance(actor, User) or locked.asked_by_id != actor.pk:
        raise NotAllowed(_("Only who asked can withdraw it; others can reject it."), code="not_yours")
    _move(locked, OPEN, State.WITHDRAWN, actor, checked_comment(comment))
    return locked


@transactional
def carry_out(*, request: ApprovalRequest, actor: Actor, reason: str = "") -> ApprovalRequest:
    """Do what was approved: point the alias, take it away, or let the version serve. Once, by who has the right to it.

    Raises Conflict where it is not approved (any more), NotAllowed, and what the move itself raises.
    """
    lock_model(request.version.model)
    locked = _locked_open(request)
    if locked.state != State.APPROVED:
        raise Conflict(_("It is not approved yet."), code="not_approved")
    if not demand_person(actor).has_perm(DEPLOY if locked.deployment else MOVE):
        raise NotAllowed(_("You may approve this, and not carry it out: who asked does that."))
    version, why = locked.version, reason or locked.comment
    if locked.deployment:
        usage.deploy(name=locked.deployment, version=version, actor=actor, reason=why)
    elif locked.is_removal:
        delete_alias(model=version.model, name=locked.alias, actor=actor, reason=why)
    else:
        set_alias(
            model=version.model,
            name=locked.alias,
            version=version,
            actor=actor,
            reason=why,
            old_alias=locked.old_alias,
        )
    locked.refresh_from_db()
    if locked.state == State.APPROVED:  # it was so already, or needs nobody's approval any more
        _move(locked, (State.APPROVED,), State.USED, actor, why)
    return locked


def void_approvals(*, versions: QuerySet[ModelVersion] | Sequence[ModelVersion], actor: Actor) -> None:
    """End what was asked for versions that are not ready any more, in the transaction that changes their state."""
    requests = ApprovalRequest.objects.filter(version__in=versions, state__in=OPEN)
    for request in requests.select_related("version__model"):
        _move(request, OPEN, State.WITHDRAWN, actor, _("The version is not ready any more."))


def expire_due() -> int:
    """End what nobody decided or carried out in time, and give how many these were."""
    due = ApprovalRequest.objects.filter(state__in=OPEN, expires_at__lte=timezone.now())
    return sum(_expire(request) for request in due.select_related("version__model")[:1000])


@transactional
def _expire(request: ApprovalRequest) -> bool:
    mine = ApprovalRequest.objects.filter(pk=request.pk, state=request.state, expires_at__lte=timezone.now())
    if not mine.update(state=State.EXPIRED, decided_at=timezone.now()):
        return False
    tell_approval(request, "expired", None, before=request.state, after=State.EXPIRED)
    tell_asker(request, State.EXPIRED)
    return True


def demand_person(actor: Actor) -> User:
    if not isinstance(actor, User) or not actor.is_active:
        raise NotAllowed(_("Say who you are: only a person can do this."), code="not_a_person")
    return actor


def _demand_judge(request: ApprovalRequest, actor: Actor, verdict: str) -> User:
    judge = demand_person(actor)
    if not judge.has_perm(DECIDE):
        raise NotAllowed(_("You may not decide over requests."))
    if request.asked_by_id == judge.pk:
        raise NotAllowed(_("You have asked for it: somebody else decides."), code="own_request")
    if verdict == Verdict.APPROVE and request.version.created_by_id == judge.pk:
        raise NotAllowed(_("You have made this version: somebody else approves it."), code="own_version")
    return judge


def _locked_open(request: ApprovalRequest) -> ApprovalRequest:
    """Give a request with its row locked. Raises Conflict if it is over."""
    locked = ApprovalRequest.objects.select_for_update().select_related("version__model").get(pk=request.pk)
    if locked.state not in OPEN:
        raise Conflict(_("It is over: %(state)s.") % {"state": locked.get_state_display()}, code="decided")
    if locked.expires_at <= timezone.now():
        raise Conflict(_("It has expired: ask anew."), code="expired")
    return locked


def _move(request: ApprovalRequest, old: tuple[str, ...], new: Any, actor: Actor, comment: str) -> None:
    """Change the state if it is still one of `old`, and tell all whom it concerns."""
    before, now = request.state, timezone.now()
    times = {"used_at": now} if new == State.USED else {"decided_at": now}
    if not ApprovalRequest.objects.filter(pk=request.pk, state__in=old).update(state=new, **times):
        raise Conflict(_("Somebody else was first: look again."), code="decided")
    request.state = new
    tell_asker(request, new)
    tell_approval(request, str(new), actor, before=before, after=new, reason=comment)


def checked_comment(comment: str) -> str:
    text = check_text(comment.strip(), field="comment")
    if len(text) > MOST_COMMENT:
        said = _("A comment has at most %(count)d characters.") % {"count": MOST_COMMENT}
        raise Invalid(said, fields={"comment": said})
    return text
