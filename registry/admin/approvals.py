"""Requests for approval: what waits for me, and may this version go there?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import KeysetPaginator, ReadOnlyAdmin, ReasonForm, Verb
from common.display import ago, badge
from common.korean import settle_particles
from registry import services
from registry.admin import shown
from registry.admin.asking import ask_view
from registry.admin.evidence import tables
from registry.models import ApprovalRequest
from registry.services.approval_letters import deciders
from registry.services.approvals import DECIDE
from registry.services.evidence import replaced_by
from registry.services.promotion import wish_of
from registry.steps import STEPS

State = ApprovalRequest.State
_TONES = {State.WAITING: "warn", State.APPROVED: "good", State.USED: "good", State.REJECTED: "bad"}
MOST_NAMES = 5


class CommentForm(ReasonForm):
    """What one has to say."""

    reason = None  # type: ignore[assignment]  # a decision has a comment
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("It is kept with the decision and in the audit log."),
    )


class WhyForm(CommentForm):
    """Why it is refused."""

    comment = forms.CharField(
        label=_("Why not?"), max_length=2000, widget=forms.Textarea(attrs={"rows": 2, "autofocus": True})
    )


def waiting_for(user: User) -> QuerySet[ApprovalRequest]:
    """Give the requests that wait for somebody: to be decided, or, once approved, to be carried out by who asked."""
    found = ApprovalRequest.objects.open().select_related("version__model")
    mine = Q(state=State.APPROVED, asked_by=user.pk)
    if not user.has_perm(DECIDE):
        return found.filter(mine)
    decided = ApprovalRequest.objects.filter(decisions__person=user.pk)
    others = Q(state=State.WAITING) & ~Q(asked_by=user.pk) & ~Q(version__created_by=user.pk) & ~Q(pk__in=decided)
    return found.filter(mine | others)


def waiting_count(user: User) -> int:
    """Count what waits for somebody who may ask or decide, for the sidebar."""
    may = user.has_perm(DECIDE) or user.has_perm("registry.add_approvalrequest")
    return waiting_for(user).count() if may else 0


def _decide(verdict: str) -> Callable[..., str]:
    def run(*, obj: ApprovalRequest, actor: User, comment: str) -> str:
        decided = services.decide(request=obj, actor=actor, verdict=verdict, comment=comment)
        return _told(decided)

    return run


def _approve_and_do(*, obj: ApprovalRequest, actor: User, comment: str) -> str:
    decided = services.decide(request=obj, actor=actor, verdict="approve", comment=comment)
    if decided.state != State.APPROVED:
        return _told(decided)
    return _told(services.carry_out(request=decided, actor=actor, reason=comment))


def _carry_out(*, obj: ApprovalRequest, actor: User, comment: str) -> str:
    return _told(services.carry_out(request=obj, actor=actor, reason=comment))


def _withdraw(*, obj: ApprovalRequest, actor: User, comment: str) -> str:
    return _told(services.withdraw(request=obj, actor=actor, comment=comment))


def _told(asked: ApprovalRequest) -> str:
    if asked.state == State.WAITING:
        return gettext("Your approval is kept. Others are still needed.")
    return settle_particles(
        gettext("%(wish)s: %(state)s.") % {"wish": wish_of(asked), "state": asked.get_state_display()}
    )


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    """All requests, and one request."""

    question = _("Which versions wait for a second pair of eyes?")
    empty_text = _("A request appears here when somebody wants to move a protected alias, or to let a version serve.")
    detail_template = "admin/registry/approval.html"
    list_display = ("wish", "shown_state", "agreed", "asker", "when", "until")
    list_filter = ("state",)
    search_fields = ("version__model__name", "alias", "deployment")
    search_help_text = _("model, alias or deployment")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb("approve", _("Approve"), DECIDE, _decide("approve"), form=lambda _obj: CommentForm, is_in_head=False),
        Verb(
            "approve-and-do",
            _("Approve and carry out"),
            DECIDE,
            _approve_and_do,
            form=lambda _obj: CommentForm,
            is_in_head=False,
        ),
        Verb(
            "reject",
            _("Reject"),
            DECIDE,
            _decide("reject"),
            form=lambda _obj: WhyForm,
            is_destructive=True,
            is_in_head=False,
        ),
        Verb(
            "carry-out",
            _("Carry out"),
            "registry.add_approvalrequest",
            _carry_out,
            form=lambda _obj: CommentForm,
            is_in_head=False,
        ),
        Verb(
            "withdraw",
            _("Withdraw"),
            "registry.add_approvalrequest",
            _withdraw,
            form=lambda _obj: CommentForm,
            is_in_head=False,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        """Read the version and the approvals along."""
        return ApprovalRequest.objects.with_given().select_related("version__model", "version__created_by")

    def pages(self) -> list[Any]:
        """Add the form that asks."""
        return [("ask/", self.ask, "ask")]

    def ask(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for an approval, with everything filled in."""
        return ask_view(request, self)

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Lead to the rules."""
        if not request.user.has_perm("registry.view_aliasrule"):  # type: ignore[union-attr]
            return []
        return [{"label": _("Protected aliases"), "url": reverse("admin:registry_aliasrule_changelist")}]

    def list_headline(self, request: HttpRequest) -> str:
        """Say what waits for whoever looks."""
        count = waiting_count(request.user)  # type: ignore[arg-type]
        if not count:
            return gettext("No request waits for you")
        return ngettext("%(count)d request waits for you", "%(count)d requests wait for you", count) % {"count": count}

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say who wants what, and what is still needed."""
        told = {"person": obj.asked_by_name, "wish": wish_of(obj), "state": obj.get_state_display()}
        if _is_over_time(obj):
            said = gettext("%(person)s asked: %(wish)s. Nobody decided in time.")
        elif obj.state == State.WAITING:
            missing = max(obj.approvals_needed - obj.given, 1)
            said = ngettext(
                "%(person)s asks: %(wish)s. %(count)d more approval is needed.",
                "%(person)s asks: %(wish)s. %(count)d more approvals are needed.",
                missing,
            )
            told["count"] = missing
        elif obj.state == State.APPROVED:
            said = gettext("%(wish)s is approved, and can be carried out.")
        else:
            said = gettext("%(person)s asked: %(wish)s. It is %(state)s.")
        return settle_particles(said % told)

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the evidence, what others said, and what may be done."""
        evidence, now = obj.evidence, replaced_by(wish_of(obj))
        was = evidence.get("now")
        return {
            "wish": wish_of(obj),
            "state": _state(obj),
            "is_open": obj.state in (State.WAITING, State.APPROVED) and not _is_over_time(obj),
            "buttons": self._buttons(request, obj),
            "form": self.dress(CommentForm(auto_id="own_%s")),
            "why_not": _why_not(request.user, obj),  # type: ignore[arg-type]
            "version_url": shown.version_url(obj.version),
            "now": was,
            "is_stale": obj.state in (State.WAITING, State.APPROVED) and was != (now.number if now else None),
            "now_then": now,
            "tables": tables(evidence),
            "signature": evidence.get("signature", []),
            "gate": evidence.get("gate", []),
            "steps": [
                {"label": STEPS[one["step"]].label if one["step"] in STEPS else one["step"], "state": one["state"]}
                for one in evidence.get("check", {}).get("steps", [])
            ],
            "trained_on": evidence.get("trained_on", []),
            "decisions": obj.decisions.all(),
            "others": _others(obj),
        }

    def _buttons(self, request: HttpRequest, obj: ApprovalRequest) -> list[dict[str, Any]]:
        """Give what this person may do to it, the first as the one to press."""
        user = request.user
        names: list[str] = []
        if _is_over_time(obj) or obj.state not in (State.WAITING, State.APPROVED):
            return []
        is_mine = obj.asked_by_id == user.pk
        has_decided = obj.decisions.filter(person=user.pk).exists()
        if obj.state == State.APPROVED:
            names.append("carry-out")
        elif not is_mine and not has_decided and obj.version.created_by_id != user.pk:
            is_last = obj.given + 1 >= obj.approvals_needed  # type: ignore[attr-defined]  # annotated
            names += ["approve-and-do", "approve"] if is_last else ["approve"]
        if not is_mine and not has_decided:
            names.append("reject")
        if is_mine:
            names.append("withdraw")
        known = {verb.name: verb for verb in self.verbs}
        allowed = [known[name] for name in names if known[name].is_allowed(request, obj)]
        return [
            {**verb.button(self, obj), "primary": n == 0 and not verb.is_destructive} for n, verb in enumerate(allowed)
        ]

    @admin.display(description=_("what"))
    def wish(self, obj: Any) -> SafeString:
        """Say what is wanted."""
        return format_html("{}", wish_of(obj))

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state."""
        return _state(obj)

    @admin.display(description=_("approvals"))
    def agreed(self, obj: Any) -> str:
        """Count who agreed, of how many are needed."""
        return gettext("%(given)d of %(needed)d") % {"given": obj.given, "needed": obj.approvals_needed}

    @admin.display(description=_("asked by"))
    def asker(self, obj: Any) -> str:
        """Name who asked."""
        return str(obj.asked_by_name)

    @admin.display(description=_("asked"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)

    @admin.display(description=_("until"))
    def until(self, obj: Any) -> SafeString | str:
        """Say until when it can be decided."""
        return ago(obj.expires_at) if obj.state in (State.WAITING, State.APPROVED) else "–"


def cards(user: User, most: int = 5) -> list[dict[str, Any]]:
    """Give what waits for somebody, for Home."""
    if not user.has_perm("registry.view_approvalrequest"):
        return []
    return [
        {
            "title": str(wish_of(one)),
            "url": reverse("admin:registry_approvalrequest_change", args=[one.pk]),
            "note": gettext("approved: carry it out") if one.state == State.APPROVED else one.asked_by_name,
            "at": one.created_at,
        }
        for one in waiting_for(user).order_by("-id")[:most]
    ]


def _is_over_time(obj: ApprovalRequest) -> bool:
    return obj.state == State.EXPIRED or (
        obj.state in (State.WAITING, State.APPROVED) and obj.expires_at <= timezone.now()
    )


def _state(obj: ApprovalRequest) -> SafeString:
    if _is_over_time(obj):
        return badge(State.EXPIRED, State.EXPIRED.label, "quiet")
    return badge(obj.state, obj.get_state_display(), _TONES.get(State(obj.state), "quiet"))


def _others(obj: ApprovalRequest) -> list[str]:
    """Name those who may still approve."""
    if obj.state != State.WAITING:
        return []
    decided = obj.decisions.values("person")
    found = [str(one) for one in deciders(obj).exclude(pk__in=decided)[: MOST_NAMES + 1]]
    return [*found[:MOST_NAMES], "…"] if len(found) > MOST_NAMES else found


def _why_not(user: User, obj: ApprovalRequest) -> str:
    """Say why somebody who may decide over requests cannot approve this one."""
    if obj.state != State.WAITING or not user.has_perm(DECIDE):
        return ""
    if obj.asked_by_id == user.pk:
        return gettext("You have asked for it: somebody else decides.")
    if obj.version.created_by_id == user.pk:
        return gettext("You have made this version: somebody else approves it.")
    return gettext("You have decided already.") if obj.decisions.filter(person=user.pk).exists() else ""
