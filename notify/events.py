"""The one table of events that somebody outside can be told of. Higher apps publish them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from notify import mlflow_calls
from notify.kinds import Event

TEST = "flueman.test"
EVENTS: Mapping[str, Event] = {
    "model_version.passed": Event(
        _("model version passed its check"),
        _("Version %(version)s of %(model)s passed its check and can be deployed."),
        {"model": "intent", "version": 7},
    ),
    "model_version.refused": Event(
        _("model version refused"),
        _("Version %(version)s of %(model)s was refused: %(reason)s"),
        {"model": "intent", "version": 7, "reason": "weights.bin: is a pickle"},
    ),
    "deployment.changed": Event(
        _("deployment changed"),
        _("%(deployment)s now serves %(after)s, before that %(before)s."),
        {"deployment": "intent", "before": "intent v6", "after": "intent v7"},
    ),
    "canary.stopped": Event(
        _("canary stopped"),
        _("A canary of %(deployment)s was stopped (%(reason)s): %(before)s became %(after)s."),
        {
            "deployment": "intent",
            "reason": "errors",
            "before": "intent v6 95%, intent v7 5% canary",
            "after": "intent v6",
        },
    ),
    "alias.changed": Event(
        _("alias of a model changed"),
        _("The alias %(alias)s of %(model)s points at version %(after)s, before that at %(before)s."),
        {"model": "intent", "alias": "champion", "before": 6, "after": 7},
    ),
    "approval.asked": Event(
        _("approval asked for"),
        _("%(asked_by)s asks for an approval: %(wish)s. Approvals needed: %(needed)s."),
        {"asked_by": "minji", "wish": "intent v7 as champion", "needed": 1},
    ),
    "approval.decided": Event(
        _("approval decided"),
        _("%(wish)s: %(state)s."),
        {"wish": "intent v7 as champion", "state": "approved"},
    ),
    "job.failed": Event(
        _("job failed for good"),
        _("The job %(job)s failed after %(attempts)s attempts: %(error)s"),
        {"job": "registry.check intent v7", "attempts": 3, "error": "The worker died during attempt 3."},
    ),
    "api_key.expiring": Event(
        _("API key expires soon"),
        _("The key %(key)s of %(owner)s stops working on %(expires_at)s."),
        {"key": "app (flm_prod_1a2b)", "owner": "minji", "expires_at": "2026-12-01T00:00:00Z"},
    ),
    "batch.finished": Event(
        _("batch run finished"),
        _("%(version)s has been run over %(file)s: %(rows)s rows, %(wrong)s of them wrong."),
        {"version": "intent v7", "file": "week.parquet", "rows": 120000, "wrong": 3},
    ),
    "evaluation.finished": Event(
        _("evaluation finished"),
        _("%(version)s was evaluated over %(rows)s rows of %(data)s: %(metric)s %(figure)s."),
        {"version": "intent v7", "data": "sentences v3", "rows": 2000, "metric": "accuracy", "figure": 0.941},
    ),
    "preprocessing.finished": Event(
        _("dataset version made"),
        _("%(version)s has been made: %(rows)s rows."),
        {"version": "sentences v3", "rows": 120000},
    ),
    "prediction.finished": Event(
        _("asynchronous prediction finished (only the webhook that its caller names is told)"),
        _("The asynchronous prediction of %(deployment)s %(state)s."),
        {"deployment": "intent", "state": "succeeded"},
    ),
    "feedback.given": Event(
        _("feedback given"),
        _("Somebody judged an answer of %(deployment)s: thumb %(thumb)s, rating %(rating)s."),
        {"deployment": "intent", "thumb": -1, "rating": None},
    ),
    "feedback.imported": Event(
        _("feedback imported"),
        _("Feedback from %(file)s: %(new)s new, %(changed)s changed, %(same)s as before, %(set_aside)s set aside."),
        {"file": "week.csv", "new": 118, "changed": 2, "same": 0, "set_aside": 1},
    ),
    "review_queue.finished": Event(
        _("review queue finished"),
        _("Everything in the review queue %(queue)s is judged; reviewers disagree on %(disputed)s items."),
        {"queue": "intent", "disputed": 3},
    ),
    "webhook.disabled": Event(
        _("webhook taken out of use"),
        _("The webhook %(webhook)s was taken out of use: %(reason)s"),
        {"webhook": "ops", "reason": "it has failed for 5 days"},
    ),
}

ALL: Mapping[str, Event] = {**EVENTS, **mlflow_calls.EVENTS}


def find(name: str) -> Event:
    """Give an event by name. Raises Invalid."""
    if name == TEST:
        return Event(_("test"), _("This is a test."), {})
    if name not in ALL:
        raise Invalid(f"there is no event '{name}'", code="unknown_event", fields={"events": name})
    return ALL[name]


def choices() -> list[tuple[str, Any]]:
    """Give name and label of each that people choose from."""
    return _named(EVENTS)


def mlflow_choices() -> list[tuple[str, Any]]:
    """Give name and label of each that a webhook of MLflow's protocol can be told of."""
    return _named(mlflow_calls.EVENTS)


def _named(events: Mapping[str, Event]) -> list[tuple[str, Any]]:
    return [(name, event.label) for name, event in events.items()]
