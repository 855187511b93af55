"""How a version runs ("is it set as it could be?"): its settings, what was measured, and what that proposes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, ReadOnlyAdmin, ReasonForm, Verb
from common.display import ago, percent
from inference import services
from inference.measuring import Point, read_points
from inference.models import RunnerState, VersionSettings
from inference.models.settings import LEAST_SHARE, MAX_PROCESSES, MAX_THREADS
from inference.services.settings import FIELDS
from jobs.models import Job
from registry.admin.shown import version_url
from registry.manifest import MAX_BATCH
from registry.models import ModelVersion

CHANGE = "inference.change_versionsettings"
_LABELS = {name: VersionSettings._meta.get_field(name).verbose_name for name in FIELDS}


def _form(own: VersionSettings) -> type[ReasonForm]:
    class SettingsForm(ReasonForm):
        """How the version shall run, and why."""

        processes = forms.IntegerField(
            label=_LABELS["processes"], min_value=1, max_value=MAX_PROCESSES, initial=own.processes,
            help_text=_("Calls go to the least busy one. Each takes memory of its own; one that dies is not missed."),
        )  # fmt: skip
        threads = forms.IntegerField(
            label=_LABELS["threads"], min_value=0, max_value=MAX_THREADS, initial=own.threads,
            help_text=_("Cores that one call may use. 0: as set for all models."),
        )  # fmt: skip
        max_batch = forms.IntegerField(
            label=_LABELS["max_batch"], min_value=0, max_value=MAX_BATCH, initial=own.max_batch,
            help_text=_("Rows that run together at most; no call waits to fill it. 0: as set for all models."),
        )  # fmt: skip
        device = forms.CharField(
            label=_LABELS["device"], required=False, max_length=10, initial=own.device,
            help_text=_("cpu, cuda:0, or auto: a GPU where there is one. Empty: as set for all models."),
        )  # fmt: skip
        half = forms.ChoiceField(
            label=_LABELS["half"], required=False, choices=VersionSettings.Half.choices, initial=own.half,
            help_text=_("Half precision takes half the memory, is faster on GPUs, and rounds answers a little."),
        )  # fmt: skip
        device_share = forms.FloatField(
            label=_LABELS["device_share"], min_value=LEAST_SHARE, max_value=1, initial=own.device_share,
            help_text=_("Of a GPU, for each process: 0.5 leaves half of it to others."),
        )  # fmt: skip
        field_order = (*FIELDS, "reason")

    return SettingsForm


class MeasureForm(ReasonForm):
    """Nothing is asked: measuring changes nothing."""

    reason = None  # type: ignore[assignment]


def _change(*, obj: VersionSettings, actor: Any, reason: str, **changes: Any) -> str:
    services.set_version_settings(version=obj.version, actor=actor, reason=reason, **changes)
    return gettext("Fresh processes take over as soon as they have loaded; no call fails meanwhile.")


def _apply(*, obj: VersionSettings, actor: Any, reason: str) -> str:
    return _change(obj=obj, actor=actor, reason=reason, **obj.measured["proposal"])


def _measure(*, obj: VersionSettings, actor: Any) -> str:
    services.ask_measurement(version=obj.version, actor=actor)
    return gettext("It is being measured; this page shows what was found.")


def _differences(own: VersionSettings) -> list[tuple[Any, Any, Any]]:
    """Give what the proposal would change, for a reader."""
    proposal = own.measured.get("proposal", {})
    usual = {"threads": settings.RUNNER["THREADS"], "max_batch": settings.RUNNER["MAX_BATCH"]}
    pairs = ((name, getattr(own, name), proposal[name]) for name in FIELDS if name in proposal)
    return [
        (_LABELS[name], _value(name, now), _value(name, then))
        for name, now, then in pairs
        if (now or usual.get(name, now)) != then
    ]


def _value(name: str, value: Any) -> Any:
    if name == "half":
        return VersionSettings.Half(value).label
    if name == "device_share":
        return percent(value)
    return value or _("as for all models")


@admin.register(VersionSettings)
class VersionSettingsAdmin(ReadOnlyAdmin):
    """The versions that run otherwise than all others, and how one runs."""

    question = _("Which versions run otherwise than the rest?")
    empty_text = _("All versions run as the installation is set. A version's own page leads to its settings.")
    empty_command = "python manage.py measure_version MODEL VERSION --apply"
    detail_template = "admin/inference/settings.html"
    list_display = ("label", "words", "changed")
    list_select_related = ("version__model",)
    search_fields = ("version__model__name",)
    search_help_text = _("model")
    ordering = ("version__model__name",)
    sortable_by = ()
    verbs = (
        Verb(
            name="apply",
            label=_("Take the proposal"),
            permission=CHANGE,
            run=_apply,
            consequence=lambda own: Consequence(
                _("Fresh processes start beside the old ones and take over when they have loaded."), _differences(own)
            ),
            is_offered=lambda own: bool(_differences(own)),
            is_primary=True,
        ),
        Verb(name="change", label=_("Change"), permission=CHANGE, run=_change, form=_form),
        Verb(
            name="measure",
            label=_("Measure"),
            permission=CHANGE,
            run=_measure,
            form=lambda _own: MeasureForm,
            consequence=lambda _own: Consequence(
                _("It is loaded several times beside what serves, and called for some seconds each: slow for a moment.")
            ),
        ),
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> VersionSettings | None:
        """Give how a version runs, also where nobody has chosen anything yet."""
        own: VersionSettings | None = super().get_object(request, object_id, from_field)
        if own is None:
            fitting = ModelVersion.objects.ready().exclude(format="remote").select_related("model")
            version = fitting.filter(pk=object_id).first() if _is_key(object_id) else None
            own = VersionSettings(version=version) if version else None
        return own

    def get_queryset(self, request: HttpRequest) -> QuerySet[VersionSettings]:
        """Read the model along."""
        present = ModelVersion.objects.present()
        return super().get_queryset(request).filter(version__in=present).select_related("version__model")

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how it runs."""
        words = ngettext(
            "%(version)s runs in %(count)d process", "%(version)s runs in %(count)d processes", obj.processes
        )
        return words % {"version": obj.version, "count": obj.processes}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the settings, the processes that run, and the measurement."""
        version = obj.version
        points = read_points(obj.measured.get("points", []))
        job = services.measurements_of(obj.version).first()
        return {
            "facts": [(_LABELS[name], _value(name, getattr(obj, name))) for name in FIELDS],
            "version_url": version_url(obj.version),
            "runner": RunnerState.objects.filter(version=obj.version).first(),
            "live": obj.version.replicas.count(),
            "ways": _ways(points, obj.measured.get("proposal", {})),
            "refusals": obj.measured.get("refusals", []),
            "differences": _differences(obj),
            "job": job,
            "command": f"python manage.py measure_version {version.model.name} {version.number} --apply",
            "is_measuring": job is not None and job.state in (Job.State.QUEUED, Job.State.RUNNING),
        }

    @admin.display(description=_("version"))
    def label(self, obj: Any) -> str:
        """Name the version."""
        return str(obj.version)

    @admin.display(description=pgettext_lazy("how a version runs", "runs"))
    def words(self, obj: Any) -> str:
        """Say what is otherwise."""
        plain = VersionSettings()
        other = [name for name in FIELDS if getattr(obj, name) != getattr(plain, name)]
        return ", ".join(f"{_LABELS[name]} {_value(name, getattr(obj, name))}" for name in other) or "–"

    @admin.display(description=_("changed"))
    def changed(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)


def _ways(points: list[Point], proposal: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the measured ways as rows of a table: the rate as part of the best, a lone call, the largest batch."""
    top = max((point.rows_s for point in points), default=0) or 1
    rows = []
    for way in dict.fromkeys(point.way for point in points):
        own = sorted((point for point in points if point.way == way), key=lambda point: point.batch)
        best = max(own, key=lambda point: point.rows_s)
        half, processes, threads = way
        is_proposed = (half, processes, threads) == tuple(proposal.get(k) for k in ("half", "processes", "threads"))
        shown = {"half": VersionSettings.Half(half).label, "processes": processes, "threads": threads}
        rows.append(
            {**shown, "lone": own[0], "best": best, "width": f"{best.rows_s / top * 100:.1f}", "chosen": is_proposed}
        )
    return rows


def _is_key(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
