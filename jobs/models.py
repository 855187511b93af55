"""Work that takes longer than a request. The row is the truth; django-q2 only rings the bell."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7


class JobQuerySet(models.QuerySet["Job"]):
    """Reads of jobs."""

    def unfinished(self) -> "JobQuerySet":
        """Jobs that wait or run."""
        return self.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])


class Job(models.Model):
    """One piece of work: what, for whom, how far, how it ended."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=100)
    payload = models.JSONField(_("payload"), default=dict, help_text=_("ids only"))
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.QUEUED)
    target_type = models.CharField(_("kind of target"), max_length=100, blank=True)
    target_id = models.CharField(_("target"), max_length=100, blank=True)
    target_label = models.CharField(_("target name"), max_length=255, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, help_text=_("percent"))
    step = models.CharField(_("step"), max_length=200, blank=True)
    result = models.JSONField(_("result"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("most attempts"), default=3)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        permissions = [("cancel_job", _("Can cancel a job")), ("retry_job", _("Can retry a job"))]
        indexes = [
            # The reaper: unfinished jobs whose lease has run out.
            models.Index(fields=["state", "lease_until"], name="jobs_job_by_lease"),
            # "What was done for this thing", newest first.
            models.Index(fields=["target_type", "target_id", "id"], name="jobs_job_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target_label}".strip()


class JobLog(models.Model):
    """One line that a job wrote."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="logs")
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=10, default="info")
    message = models.TextField()

    class Meta:
        verbose_name = _("job log line")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.message
