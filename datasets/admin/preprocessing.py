"""Preprocessing jobs: how far, will it finish, what went wrong?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.difference import difference
from common.display import badge, duration, figure, thousands
from common.live import LiveMixin
from datasets import services
from datasets.admin import shown
from datasets.models import DatasetVersion, PreprocessingJob, PreprocessingStep
from jobs.admin.begun import Begun
from jobs.admin.jobs import shown_state_of
from jobs.admin.words import WORDS
from jobs.models import Job

State = Job.State
StepState = PreprocessingStep.State
_ROWS = {"row", "kept", "near_of"}  # people count from 1


def _cancel(*, obj: PreprocessingJob, actor: Any, reason: str) -> str:
    services.cancel_preprocessing(preprocessing=obj, actor=actor, reason=reason)
    return gettext("It was asked to stop. What is done stays for a day, and the job can go on behind it.")


def _retry(*, obj: PreprocessingJob, actor: Any, reason: str) -> str:
    services.retry_preprocessing(preprocessing=obj, actor=actor, reason=reason)
    return gettext("Back in the queue; it goes on behind what is done.")


@admin.register(PreprocessingJob)
class PreprocessingJobAdmin(Begun, LiveMixin, ReadOnlyAdmin):
    """All preprocessing jobs, and one as it goes on."""

    question = _("Which versions are being made, and did it go well?")
    empty_text = _(
        "A job appears here when rows are imported, divided into splits, or when a recipe runs over a version."
    )
    empty_command = "manage.py import_dataset reviews.csv --name reviews"
    detail_template = "admin/datasets/preprocessing.html"
    live_template = "admin/datasets/preprocessing_body.html"
    list_display = ("label", "kind", "shown_state", "shown_progress", "maker", "when", "took")
    list_select_related = ("version__dataset", "version__recipe__recipe", "job", "created_by")
    list_filter = ("kind", "job__state")
    search_fields = ("version__dataset__name",)
    search_help_text = _("dataset")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="cancel",
            label=_("Cancel"),
            permission="jobs.cancel_job",
            run=_cancel,
            is_offered=lambda one: one.job is not None and not one.job.is_finished and not one.job.cancel_requested_at,
            is_destructive=True,
        ),
        Verb(
            name="retry",
            label=_("Go on"),
            permission="jobs.retry_job",
            run=_retry,
            is_offered=lambda one: one.job is not None and one.job.is_retryable,
            is_primary=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PreprocessingJob]:
        """Read what a page names along."""
        found = super().get_queryset(request)
        return found.select_related(
            "version__dataset", "version__parent__dataset", "version__recipe__recipe"
        ).select_related("version__source", "job", "created_by")

    def pages(self) -> list[Any]:
        """Add the part of the page that follows the job."""
        return [("<uuid:pk>/live/", self.live_view, "live")]

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how far it is, or how it ended."""
        said = {
            State.QUEUED: gettext("%(version)s waits for a worker"),
            State.RUNNING: gettext("%(version)s is being made, %(progress)s %%"),
            State.SUCCEEDED: gettext("%(version)s is made: %(rows)s rows"),
            State.FAILED: gettext("%(version)s was not made: the job failed"),
            State.CANCELLED: gettext("%(version)s was not made: the job was cancelled"),
            State.DEAD: gettext("%(version)s was not made: the process died at every attempt"),
        }[State(_state(obj))]
        numbers = {"rows": thousands(obj.version.rows), "progress": obj.job.progress if obj.job else 100}
        return said % {"version": obj.version, **numbers}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the steps with what each did, the time left, and the figures of the whole."""
        job, version = obj.job, obj.version
        steps = [_shown(step, obj) for step in obj.steps.order_by("number")]
        return {
            "job": job,
            "version": version,
            "state": shown_state_of(_state(obj)),
            "steps": steps,
            "now": next((_place(step, len(steps)) for step in steps if step["is_running"]), ""),
            "done": sum(step["is_done"] for step in steps),
            "left": _left(job),
            "took": self.took(obj),
            "is_empty": version.is_sealed and not version.rows,
            "live_url": reverse("admin:datasets_preprocessingjob_live", args=[obj.pk]),
            "rejects_url": reverse("admin:datasets_datasetversion_rejects", args=[version.pk])
            if version.rejects_id
            else "",
            "artefacts": list(obj.artefacts.select_related("blob").order_by("step", "name")),
        }

    @admin.display(description=_("makes"))
    def label(self, obj: Any) -> str:
        """Name the version that it makes."""
        return str(obj.version)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state, and a wish to cancel that was not yet heeded."""
        if obj.job and obj.job.state == State.RUNNING and obj.job.cancel_requested_at:
            return badge("cancelled", gettext("stopping"))
        return shown_state_of(_state(obj))

    @admin.display(description=_("progress"))
    def shown_progress(self, obj: Any) -> Any:
        """Show how far it is, else its rows or what went wrong."""
        if obj.job is None or obj.job.state == State.SUCCEEDED:
            return figure(gettext("%(rows)s rows") % {"rows": thousands(obj.version.rows)}, shown.rows_url(obj.version))
        if obj.job.state != State.RUNNING:
            return obj.job.error[:120]
        return format_html(
            '<div class="fm-progress"><i style="width: {}%"></i></div>{}', obj.job.progress, obj.job.step
        )

    @admin.display(description=_("took"))
    def took(self, obj: Any) -> str:
        """Give the time of the last attempt so far."""
        if obj.job is None or obj.job.started_at is None:
            return duration(None)
        return duration(((obj.job.finished_at or timezone.now()) - obj.job.started_at) / timedelta(milliseconds=1))


def _state(obj: PreprocessingJob) -> str:
    """Give the state of the job; one that was forgotten has ended as its version tells."""
    if obj.job:
        return obj.job.state
    return State.SUCCEEDED if obj.version.state == DatasetVersion.State.SEALED else State.FAILED


def _left(job: Job | None) -> str:
    """Guess the time left from the part that is done, once enough is done to guess from."""
    if job is None or job.state != State.RUNNING or job.started_at is None or not 5 <= job.progress < 100:
        return ""
    spent = (timezone.now() - job.started_at) / timedelta(milliseconds=1)
    return duration(spent * (100 - job.progress) / job.progress)


def _shown(step: PreprocessingStep, obj: PreprocessingJob) -> dict[str, Any]:
    """Give one step as the page shows it; one that was at work when the job ended has stopped."""
    state, label = step.state, step.get_state_display()
    if state == StepState.RUNNING and _state(obj) != State.RUNNING:
        state, label = StepState.FAILED, gettext("stopped")
    lost = step.rows_in - step.rows_out if step.rows_in is not None and step.rows_out is not None else 0
    changed = [one for one in step.samples if "dropped" not in one]
    return {
        "row": step,
        "number": step.number + 1,
        "badge": badge(state, label),
        "is_running": state == StepState.RUNNING,
        "is_done": state in (StepState.DONE, StepState.SKIPPED),
        "took": duration(step.worked_ms) if step.worked_ms else "",
        "lost": lost,
        "gained": -lost,
        "changes": [_change(one) for one in changed],
        "dropped": [_dropped(one) for one in step.samples if "dropped" in one],
        "facts": [fact for name, value in step.report.items() if (fact := _fact(name, value)) is not None],
        "tables": [_table(name, value) for name, value in step.report.items() if _is_table(value)],
    }


def _place(step: Mapping[str, Any], count: int) -> str:
    return f"{step['number']}/{count} · {step['row'].in_words}"


def _change(sample: Mapping[str, Any]) -> Any:
    name = gettext("row %(row)s · %(column)s") % {"row": thousands(sample["row"] + 1), "column": sample.get("column")}
    return difference({name: sample.get("before")}, {name: sample.get("after")})[0]


def _dropped(sample: Mapping[str, Any]) -> dict[str, Any]:
    cells = [(name, "–" if value is None else str(value)[:200]) for name, value in list(sample["dropped"].items())[:6]]
    return {"row": thousands(sample["row"] + 1), "cells": cells}


def _fact(name: str, value: Any) -> tuple[Any, str] | None:
    if isinstance(value, Mapping) and value and not any(isinstance(one, Mapping | list) for one in value.values()):
        return _word(name), ", ".join(f"{_word(key)} {_said(one)}" for key, one in value.items())
    if isinstance(value, list):
        is_plain = value and not any(isinstance(one, Mapping | list) for one in value)
        return (_word(name), ", ".join(map(_said, value))) if is_plain else None
    return None if isinstance(value, Mapping) else (_word(name), _said(value))


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(one, Mapping) for one in value.values())
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _table(name: str, value: Any) -> dict[str, Any]:
    """Give a list of like things, or things by name, as rows under headings."""
    rows: Sequence[Mapping[str, Any]] = (
        [{"": key, **one} for key, one in value.items()] if isinstance(value, Mapping) else value
    )
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return {
        "name": _word(name),
        "heads": [_word(key) if key else "" for key in keys],
        "rows": [[_said(_counted(key, row.get(key))) for key in keys] for row in rows[:50]],
    }


def _counted(name: str, value: Any) -> Any:
    return value + 1 if name in _ROWS and isinstance(value, int) else value


def _word(name: str) -> Any:
    return WORDS.get(name, name.replace("_", " "))


def _said(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int):
        return thousands(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:300]
