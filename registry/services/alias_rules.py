"""Which aliases are protected: who may move them, how many others have to agree, whether the gate counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import ROLES
from audit.services import record
from common.errors import Conflict, Invalid, NotAllowed
from common.transactions import transactional
from guards.services import bump
from registry.models import AliasRule, RegisteredModel
from registry.naming import alias_name
from registry.services._state import Actor
from registry.services.promotion import MOVE, refusals_told

STAMP = "alias rules"
RULE = "registry.change_aliasrule"
MOST_APPROVALS = 20
# Roles that may move aliases at all: a rule narrows this, and never widens it.
MOVERS = tuple(name for name, role in ROLES.items() if MOVE in role.permissions)


@transactional
def protect_alias(
    *,
    name: str,
    actor: Actor,
    model: RegisteredModel | None = None,
    roles: Sequence[str] = ("administrator",),
    approvals: int = 1,
    is_gated: bool = True,
    reason: str = "",
) -> AliasRule:
    """Protect an alias of a model, or (`None`) of every model that has no rule of its own; again changes the rule.

    Raises NotAllowed without the right, Invalid for a name, role or number that is none.
    """
    _demand_ruler(actor, name, model)
    wanted = {
        "roles": _checked_roles(roles),
        "approvals": _checked_approvals(approvals),
        "is_gated": is_gated,
    }
    bump(STAMP)  # one rule for each name, also for all models, where the database sees no two as equal
    found = AliasRule.objects.select_for_update().named(model, alias_name(name))
    if found is None:
        rule = AliasRule.objects.create(model=model, name=alias_name(name), **wanted)
        record(action="registry.alias_protected", actor=actor, target=rule, after=facts(rule), reason=reason)
        return rule
    before = facts(found)
    for field, value in wanted.items():
        setattr(found, field, value)
    if facts(found) != before:
        found.save(update_fields=[*wanted, "updated_at"])
        record(
            action="registry.alias_rule_changed",
            actor=actor,
            target=found,
            before=before,
            after=facts(found),
            reason=reason,
        )
    return found


@transactional
def unprotect_alias(*, rule: AliasRule, actor: Actor, reason: str = "") -> None:
    """Let everybody with the permission move an alias again. Raises NotAllowed, Conflict if the rule is gone."""
    _demand_ruler(actor, rule.name, rule.model)
    if not AliasRule.objects.filter(pk=rule.pk).delete()[0]:
        raise Conflict(_("The rule is gone already."))
    bump(STAMP)
    record(action="registry.alias_unprotected", actor=actor, target=rule, before=facts(rule), reason=reason)


def facts(rule: AliasRule) -> dict[str, Any]:
    """Give what the audit keeps of a rule."""
    return {"roles": sorted(rule.roles), "approvals": rule.approvals, "is_gated": rule.is_gated}


def _demand_ruler(actor: Actor, name: str, model: RegisteredModel | None) -> None:
    """Ask for the right here too: who may change the rule could move the alias."""
    if not isinstance(actor, User) or not actor.is_active or not actor.has_perm(RULE):
        with refusals_told(action="registry.alias_rule_changed", actor=actor, target=model, name=name[:100]):
            raise NotAllowed(_("Only an administrator protects aliases."), code="not_a_ruler")


def _checked_roles(roles: Sequence[str]) -> list[str]:
    wanted = sorted(set(roles))
    if not wanted or set(wanted) - set(MOVERS):
        said = _("Name roles that may move aliases: %(roles)s.") % {"roles": ", ".join(MOVERS)}
        raise Invalid(said, fields={"roles": said})
    return wanted


def _checked_approvals(approvals: int) -> int:
    if isinstance(approvals, bool) or not isinstance(approvals, int) or not 0 <= approvals <= MOST_APPROVALS:
        said = _("A whole number from 0 to %(most)d.") % {"most": MOST_APPROVALS}
        raise Invalid(said, fields={"approvals": said})
    return approvals
