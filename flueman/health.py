"""Is everything well? The parts in words, for the home page."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from inference.models import Deployment, RunnerState
from jobs.models import Job

# A host that is alive says so every few seconds; a worker that is alive takes a job within seconds.
HOST_SILENT_AFTER = timedelta(seconds=60)
JOB_WAITS_TOO_LONG = timedelta(minutes=2)


def state_of(deployment: Deployment) -> tuple[str, str, RunnerState | None]:
    """Give the word for the state, the same for people, and the child process behind it."""
    route = next(iter(deployment.routes.all()), None)
    runner = getattr(route.version, "runner", None) if route else None
    # The state words of the theme's dots: `serving` is good, `waiting` is busy, `down` is bad.
    if not deployment.is_enabled:
        return "disabled", gettext("out of service"), runner
    if route is None:
        return "empty", gettext("no version chosen"), None
    if runner is None:
        return "waiting", gettext("waiting for the model host"), None
    if runner.state == RunnerState.State.READY and _is_silent(runner):
        return "down", gettext("no sign of life"), runner
    return runner.state, str(runner.get_state_display()), runner


def _is_silent(runner: RunnerState) -> bool:
    return runner.heartbeat_at is None or runner.heartbeat_at < timezone.now() - HOST_SILENT_AFTER


def health_of(deployments: list[Deployment] | None, sees_jobs: bool) -> list[dict[str, str]]:
    """Give the parts in words; this page itself shows that the database answers."""
    parts = [{"tone": "good", "text": gettext("Database answers"), "url": ""}]
    if deployments is not None:
        parts += _health_of_models(deployments)
    if sees_jobs:
        waiting = Job.objects.filter(state=Job.State.QUEUED, created_at__lt=timezone.now() - JOB_WAITS_TOO_LONG)
        is_stuck = waiting.exists()
        text = gettext("Jobs wait: is the worker running?") if is_stuck else gettext("Worker keeps up")
        parts.append({"tone": "bad" if is_stuck else "good", "text": text, "url": reverse("admin:jobs_job_changelist")})
    return parts


def _health_of_models(deployments: list[Deployment]) -> list[dict[str, str]]:
    wanted = [one for one in deployments if one.is_enabled]
    states = [state_of(one) for one in wanted]
    runners = [runner for _, _, runner in states if runner]
    parts = []
    if wanted:
        is_silent = not runners or all(_is_silent(runner) for runner in runners)
        text = gettext("Model host is silent") if is_silent else gettext("Model host is alive")
        parts.append({"tone": "bad" if is_silent else "good", "text": text, "url": ""})
        ready = sum(state == "ready" for state, _, _ in states)
        text = gettext("%(ready)d of %(all)d deployments serve") % {"ready": ready, "all": len(wanted)}
        url = reverse("admin:inference_deployment_changelist")
        parts.append({"tone": "good" if ready == len(wanted) else "bad", "text": text, "url": url})
    return parts
