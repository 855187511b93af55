"""Schedules: what is begun by itself, when next, and how did it go?"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, ModelAdmin, ReasonForm, Select, Verb
from common.display import ago, badge, duration, moment, name_of
from jobs import handlers, services, timing
from jobs.admin.jobs import shown_state_of
from jobs.models import Job, Schedule

RUNS, NEXT = 15, 3
LATE = timedelta(seconds=30)  # a worker that is being started anew takes some seconds


class TimesForm(forms.Form):
    """When a schedule fires: every so many minutes, or by a cron line."""

    minutes = forms.FloatField(label=_("Every so many minutes"), required=False, min_value=0.1, max_value=527_040)
    cron = forms.CharField(
        label=_("Or by a cron line"),
        required=False,
        max_length=100,
        help_text=_("minute, hour, day of month, month, day of week: “0 3 * * *” is every day at 03:00"),
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=lambda: [(one, one) for one in sorted(timing.zones())])

    def times(self) -> dict[str, Any]:
        """Give the times as services take them."""
        minutes = self.cleaned_data["minutes"]
        every_s = round(minutes * 60) if minutes else None
        return {"every_s": every_s, "cron": self.cleaned_data["cron"], "time_zone": self.cleaned_data["time_zone"]}


def _edit_form(schedule: Schedule) -> type[forms.Form]:
    now = {
        "minutes": f"{schedule.every_s / 60:g}" if schedule.every_s else None,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
    }
    fields = copy.deepcopy(TimesForm.base_fields)
    for name, value in now.items():
        fields[name].initial = value
    return type("EditForm", (ReasonForm,), fields)


def _edit(*, obj: Schedule, actor: Any, reason: str, minutes: float | None, cron: str, time_zone: str) -> str:
    times = {"every_s": round(minutes * 60) if minutes else None, "cron": cron, "time_zone": time_zone}
    changed = services.update_schedule(schedule=obj, actor=actor, reason=reason, **times)
    return gettext("It now runs %(when)s.") % {"when": timing.in_words(changed.cron, changed.every_s)}


def _run(*, obj: Schedule, actor: Any, reason: str) -> str:
    services.run_schedule(schedule=obj, actor=actor, reason=reason)
    return gettext("A run has begun; it is the first line of the list.")


def _pause(*, obj: Schedule, actor: Any, reason: str) -> str:
    services.pause_schedule(schedule=obj, actor=actor, reason=reason)
    return gettext("Paused: it does not run until somebody resumes it.")


def _resume(*, obj: Schedule, actor: Any, reason: str) -> str:
    resumed = services.resume_schedule(schedule=obj, actor=actor, reason=reason)
    return gettext("Resumed; the next run is at %(at)s.") % {"at": moment(resumed.next_run_at)}


def _remove(*, obj: Schedule, actor: Any, reason: str) -> str:
    services.remove_schedule(schedule=obj, actor=actor, reason=reason)
    return gettext("The schedule is deleted; its runs are still in the list of jobs.")


class NewScheduleForm(TimesForm, forms.ModelForm):
    """What a new schedule begins, and when."""

    kind = forms.ChoiceField(
        label=_("What is begun"),
        choices=lambda: [(one.kind, one.label) for one in handlers.schedulable()],
        widget=Select(),
    )

    class Meta:
        model = Schedule
        fields = ("name", "kind")


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    """All schedules, and one with its runs."""

    question = _("What is begun by itself, when next, and how did it go the last time?")
    empty_text = _("Schedules appear when the worker starts: cleaning up, counting, rotating keys. Add your own.")
    detail_template = "admin/jobs/schedule.html"
    form = NewScheduleForm
    fields = ("name", "kind", "minutes", "cron", "time_zone")
    list_display = ("title", "when", "next", "last", "state")
    search_fields = ("name", "kind")
    search_help_text = _("name")
    sortable_by = ()
    verbs = (
        Verb(
            name="run",
            label=_("Run now"),
            permission="jobs.run_schedule",
            run=_run,
            consequence=lambda _one: Consequence(_("One run begins at once; the planned runs stay as they are.")),
            is_primary=True,
        ),
        Verb(name="edit", label=_("Change times"), permission="jobs.change_schedule", run=_edit, form=_edit_form),
        Verb(
            name="pause",
            label=_("Pause"),
            permission="jobs.change_schedule",
            run=_pause,
            is_offered=lambda one: one.is_enabled,
        ),
        Verb(
            name="resume",
            label=_("Resume"),
            permission="jobs.change_schedule",
            run=_resume,
            is_offered=lambda one: not one.is_enabled,
        ),
        Verb(
            name="remove",
            label=_("Delete"),
            permission="jobs.delete_schedule",
            run=_remove,
            is_offered=lambda one: not services.is_kept(one),
            is_destructive=True,
            removes=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Read the state of the last run along."""
        last = Job.objects.filter(schedule=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_state=Subquery(last.values("state")[:1]), last_began_at=Subquery(last.values("created_at")[:1])
            )
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the reader's time zone."""
        return {"time_zone": timezone.get_current_timezone_name(), **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting is a verb, with a reason."""
        return False

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: Any) -> None:
        """Make the schedule."""
        cleaned = form.cleaned_data
        made = services.add_schedule(name=cleaned["name"], kind=cleaned["kind"], actor=request.user, **form.times())
        obj.__dict__.update(made.__dict__)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what runs, how often, and when next."""
        said = {"what": self.title(obj), "when": timing.in_words(obj.cron, obj.every_s)}
        if not obj.is_enabled:
            return gettext("%(what)s is paused") % said
        return gettext("%(what)s runs %(when)s") % said

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the next times and the last runs."""
        runs = list(obj.jobs.order_by("-id")[:RUNS])
        return {
            "kind": handlers.label_of(obj.kind),
            "when": self.when(obj),
            "next": self.next(obj),
            "state": self.state(obj),
            "nexts": _nexts(obj),
            "runs": [{"job": one, "badge": shown_state_of(one.state), "took": _took(one)} for one in runs],
        }

    @admin.display(description=_("schedule"))
    def title(self, obj: Any) -> str:
        """Give its name; of a built-in one what it does."""
        return name_of(obj)

    @admin.display(description=_("runs"))
    def when(self, obj: Any) -> str:
        """Say how often it runs."""
        return timing.in_words(obj.cron, obj.every_s)

    @admin.display(description=_("next run"))
    def next(self, obj: Any) -> SafeString | str:
        """Say how long until the next run, or since when it is due: a worker would have begun it within a second."""
        if not obj.is_enabled or obj.next_run_at is None or handlers.known(obj.kind) is None:
            return "–"
        overdue = timezone.now() - obj.next_run_at
        if overdue < LATE:
            return ago(obj.next_run_at)
        return gettext("due for %(span)s; no worker runs") % {"span": duration(overdue / timedelta(milliseconds=1))}

    @admin.display(description=_("last run"))
    def last(self, obj: Any) -> SafeString | str:
        """Say how the last run went, and when it was."""
        if not obj.last_state:
            return gettext("never")
        return format_html("{} {}", shown_state_of(obj.last_state), ago(obj.last_began_at))

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> SafeString:
        """Tell one that runs from one that is paused or that this code no longer knows."""
        if handlers.known(obj.kind) is None:
            return badge("failed", gettext("unknown to this version"))
        return badge("enabled", gettext("on")) if obj.is_enabled else badge("cancelled", gettext("paused"))


def _nexts(schedule: Schedule) -> list[str]:
    """Give the next times, in the time zone of the schedule."""
    at, now, found = schedule.next_run_at, timezone.now(), []
    times = {"cron": schedule.cron, "every_s": schedule.every_s, "time_zone": schedule.time_zone}
    while schedule.is_enabled and at and len(found) < NEXT:
        if at >= now:  # a time that was missed is none to come
            found.append(at)
        at = timing.following(**times, after=max(at, now))
    return [moment(one) for one in found]


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return duration(None)
    return duration((job.finished_at - job.started_at).total_seconds() * 1000)
