"""How a version runs: chosen by people, taken up by the model host without a call failing."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from common.transactions import transactional
from inference.models import VersionSettings
from inference.services.deployments import Actor
from jobs.models import Job
from jobs.services import enqueue
from registry.formats import PROGRAMS
from registry.models import ModelVersion

MEASURE = "inference.measure_version"
FIELDS = ("processes", "threads", "max_batch", "device", "half", "device_share")


@transactional
def set_version_settings(
    *, version: ModelVersion, actor: Actor, reason: str = "", is_compiled: bool = False, **changes: Any
) -> VersionSettings:
    """Change how a version runs; fields that are not named stay as they are. Safe to call again.

    The model host starts the new processes beside the old ones and lets them take over when they have loaded. Raises
    Invalid naming the field, Conflict for what this version cannot do.
    """
    ModelVersion.objects.select_for_update().get(pk=version.pk)
    own = VersionSettings.objects.filter(version=version).first() or VersionSettings(version=version)
    before = _facts(own)
    for name, value in changes.items():
        if name not in FIELDS:
            raise Invalid(f"{name[:50]}: there is no such setting", fields={name[:50]: "there is no such setting"})
        setattr(own, name, value)
    _check(version, own, is_compiled=is_compiled)
    if _facts(own) != before or own._state.adding:
        own.save()
        record(
            action="inference.version_settings_changed",
            actor=actor,
            target=version,
            before=before,
            after=_facts(own),
            reason=reason,
        )
    return own


@transactional
def keep_measurement(*, version: ModelVersion, measured: dict[str, Any], actor: Actor) -> VersionSettings:
    """Keep what a version was measured to do, for its page."""
    own, _is_new = VersionSettings.objects.select_for_update().get_or_create(version=version)
    own.measured = measured
    own.save(update_fields=["measured", "updated_at"])
    record(action="inference.version_measured", actor=actor, target=version, after=measured.get("proposal", {}))
    return own


@transactional
def ask_measurement(*, version: ModelVersion, actor: Actor) -> Job:
    """Have a job measure a version. Raises Conflict while one does, or if the version is not ready or not here."""
    ModelVersion.objects.select_for_update().get(pk=version.pk)
    if version.is_remote or version.state != ModelVersion.State.READY:
        raise Conflict(_("Only a version that is ready and runs here can be measured."))
    if measurements_of(version).unfinished().exists():
        raise Conflict(_("This version is being measured already."))
    person = actor if isinstance(actor, User) else None
    return enqueue(kind=MEASURE, payload={"version_id": str(version.pk)}, actor=person, target=version)


def measurements_of(version: ModelVersion) -> Any:
    """Give the jobs that measure a version, newest first."""
    return Job.objects.filter(kind=MEASURE, target_type=version._meta.label_lower, target_id=str(version.pk))


def settings_of(version: ModelVersion) -> VersionSettings:
    """Give how a version runs, with the defaults where nobody chose anything."""
    return VersionSettings.objects.filter(version=version).first() or VersionSettings(version=version)


def _facts(own: VersionSettings) -> dict[str, Any]:
    return {name: getattr(own, name) for name in FIELDS}


def _check(version: ModelVersion, own: VersionSettings, *, is_compiled: bool) -> None:
    if version.is_remote:
        raise Conflict(_("This version runs elsewhere: its server decides how."))
    if is_compiled:
        raise Conflict(
            _("torch.compile starts a C++ compiler, and no program can be started behind the walls around models.")
        )
    if own.half and version.format in PROGRAMS:
        raise Conflict(_("This version is a program: it computes in the types that it was exported with."))
    try:
        own.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        fields = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        raise Invalid("; ".join(f"{name}: {text}" for name, text in fields.items()), fields=fields) from error
