"""Mailboxes, webhooks, letters, and the worker's part done by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.models import Job
from jobs.runner import run_job
from notify import services, subscriptions
from notify.models import Channel, Delivery, Webhook


def make_letter(**more: Any) -> Delivery:
    fields = {"to": "minji@example.com", "template": "test", "context": {"sender": "관리자"}, "language": "ko"}
    return services.send_email(**(fields | more))


def make_channel(**more: Any) -> Channel:
    fields = {"name": "운영팀", "address": "ops@example.com", "language": "ko", "events": ["job.failed"]}
    return subscriptions.create_channel(actor=None, **(fields | more))


def make_webhook(url: str, **more: Any) -> tuple[Webhook, str]:
    fields = {"name": "ops", "events": ["deployment.changed"]}
    return subscriptions.create_webhook(actor=None, url=url, **(fields | more))


def work_off() -> list[str]:
    """Run the jobs that wait, as a worker would; give the states that the jobs ended in."""
    waiting = list(Job.objects.filter(state=Job.State.QUEUED).order_by("id"))
    for job in waiting:
        run_job(str(job.pk))
    return list(Job.objects.filter(pk__in=[job.pk for job in waiting]).order_by("id").values_list("state", flat=True))


def come_due() -> None:
    """Let the time of each next attempt come, and a worker make it."""
    Delivery.objects.waiting().update(due_at=timezone.now() - timedelta(seconds=1))
    services.hand_over_due()
    work_off()


def again(row: Any) -> Any:
    row.refresh_from_db()
    return row
