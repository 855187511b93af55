"""Jobs of the audit trail, which stands below the jobs and cannot know them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from audit import tasks, work
from jobs import services
from jobs.handlers import handler
from jobs.models import Job

handler(work.CHECKPOINT, label=_("sign the audit chain"), every_minutes=settings.AUDIT_CHECKPOINT_MINUTES)(
    tasks.make_checkpoint
)
handler(work.VERIFY, label=_("verify the audit chain"), every_minutes=24 * 60)(tasks.verify_chain)
handler(work.EXPORT, label=_("export the audit chain"))(tasks.export_chain)


class JobDesk:
    """Hands work of the audit trail to the jobs."""

    def begin(self, kind: str, payload: dict[str, Any], actor: Any) -> str:
        """Put work in the queue."""
        return str(services.enqueue(kind=kind, payload=payload, actor=actor).pk)

    def begin_once(self, kind: str) -> None:
        """Put work in the queue unless it waits or runs already."""
        if not Job.objects.unfinished().filter(kind=kind).exists():
            services.enqueue(kind=kind, payload={})

    def running(self, kind: str) -> work.Running | None:
        """Give the newest work of a kind that waits or runs."""
        job = Job.objects.unfinished().filter(kind=kind).order_by("-id").first()
        return work.Running(str(job.pk), job.state, job.progress, job.step) if job else None
