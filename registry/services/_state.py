"""What all writes of versions share: a conditional change of state, and the facts that the audit keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from jobs.models import Job
from jobs.services import enqueue
from registry.conversion import demand_servable_kind
from registry.models import ModelVersion, RegisteredModel

State = ModelVersion.State
CHECK = "inference.check_version"
PURGE = "registry.purge_model"
Actor = User | str | None
NAMEABLE = (State.REGISTERED, State.PENDING, State.CHECKING, State.READY)


def move(version: ModelVersion, old: tuple[str, ...], new: str, **changes: Any) -> None:
    """Change the state if it is still one of `old`. Raises Conflict if not."""
    if not ModelVersion.objects.filter(pk=version.pk, state__in=old).update(state=new, **changes):
        now = ModelVersion.objects.get(pk=version.pk).get_state_display()
        raise Conflict(_("%(version)s is %(state)s meanwhile.") % {"version": version, "state": now})
    version.refresh_from_db()


def lock_model(model: RegisteredModel) -> RegisteredModel:
    """Lock the model's row, through which all goes that must see a model's versions and aliases stand still."""
    return RegisteredModel.objects.select_for_update().get(pk=model.pk)


def demand_present(target: RegisteredModel | ModelVersion) -> None:
    """Raise Conflict if a model or version is deleted: nothing is done to it until it is restored."""
    if target.deleted_at is not None:
        raise Conflict(_("%(name)s is deleted: restore it first.") % {"name": target}, code="deleted")


def demand_nameable(version: ModelVersion, *, is_protected: bool) -> None:
    """Raise Conflict unless a name may point at a version: any that is kept, a protected one only at one that is ready.

    Protected names are those that callers are served by.
    """
    if is_protected:
        demand_servable_kind(version)
    fit = (State.READY,) if is_protected else NAMEABLE
    if not ModelVersion.objects.filter(pk=version.pk, state__in=fit).exists():
        told = _("%(version)s is not ready: a protected alias needs a version that passed its check.")
        kept = _("%(version)s was refused or put away: an alias needs a version that is kept.")
        raise Conflict((told if is_protected else kept) % {"version": version})


def enqueue_check(version: ModelVersion, actor: Actor) -> None:
    """Ask for a check, inside the caller's transaction."""
    person = actor if isinstance(actor, User) else None
    enqueue(kind=CHECK, payload={"version_id": str(version.pk)}, actor=person, target=version)


def check_jobs(version: ModelVersion) -> Any:
    """Give the jobs that check a version, newest first."""
    return Job.objects.filter(kind=CHECK, target_type=version._meta.label_lower, target_id=str(version.pk))


def facts(version: ModelVersion) -> dict[str, Any]:
    """Give what the audit keeps of a version."""
    return {
        "state": version.state,
        "format": version.format,
        "weights": version.weights_path,
        "digest": version.digest,
        "is_trusted": version.is_trusted,
        "size_bytes": version.size_bytes,
    }


def tell(version: ModelVersion, action: str, actor: Actor, before: Mapping[str, Any], **more: Any) -> None:
    """Record what happened to a version, with its facts before and after."""
    record(action=f"registry.{action}", actor=actor, target=version, before=before, after=facts(version), **more)


def demand_reason(reason: str) -> None:
    """Raise Invalid if no reason was given."""
    if not reason.strip():
        raise Invalid(_("A reason is needed."), fields={"reason": "is missing"})
