"""What every alias of a model pointed at, and what its deployments served, at any time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from registry.models import AliasHistory, ApprovalRequest, ModelVersion, RegisteredModel
from registry.services._state import Actor
from registry.usage import Served, served_between

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Then:
    """What was so at one time."""

    at: datetime
    aliases: list[AliasHistory]
    served: list[Served]


def as_of(model: RegisteredModel, at: datetime) -> Then:
    """Give what the aliases of a model pointed at, and what was served of it, at a time; now for one to come."""
    at = min(max(at, EARLIEST), timezone.now())
    rows = model.alias_history.filter(since__lte=at).filter(Q(until=None) | Q(until__gt=at))
    return Then(at, list(rows.select_related("version").order_by("name")), served_between(model, at, at))


def between(model: RegisteredModel, since: datetime, until: datetime) -> tuple[list[AliasHistory], list[Served]]:
    """Give all that was so at some time of a span, oldest first."""
    rows = model.alias_history.filter(since__lte=until).filter(Q(until=None) | Q(until__gt=since))
    return list(rows.select_related("version").order_by("since", "id")), served_between(model, since, until)


def note_move(
    *,
    model: RegisteredModel,
    name: str,
    version: ModelVersion | None,
    actor: Actor,
    reason: str = "",
    approval: ApprovalRequest | None = None,
) -> None:
    """Keep that an alias points at a version from now on, or (`None`) at nothing, in the transaction of the move.

    The model's row is locked, so that no two spans of one alias overlap.
    """
    now = timezone.now()
    model.alias_history.filter(name=name, until=None).update(until=now)
    if version is not None:
        AliasHistory.objects.create(
            model=model,
            name=name,
            version=version,
            version_number=version.number,
            since=now,
            actor=name_of(actor),
            reason=reason,
            approval=approval,
        )


def version_before(model: RegisteredModel, name: str) -> ModelVersion | None:
    """Give what an alias pointed at before it came to the version that it points at, `None` if there is nothing.

    A version that was rolled back from is never given: going back again goes further back.
    """
    spans = list(model.alias_history.filter(name=name).select_related("version__model").order_by("since", "id"))
    if not spans or spans[-1].until is not None:
        return None
    first = next(n for n, span in enumerate(spans) if span.version_number == spans[-1].version_number)
    return spans[first - 1].version if first else None


def name_of(actor: Actor) -> str:
    """Give the name under which the history keeps who did something."""
    return actor.get_username() if isinstance(actor, User) else (actor or "")[:150]
