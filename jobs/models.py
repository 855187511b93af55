"""Work that takes longer than a request. The row is the truth; django-q2 only rings the bell."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from jobs import handlers


class JobQuerySet(models.QuerySet["Job"]):
    """Reads of jobs."""

    def unfinished(self) -> "JobQuerySet":
        """Jobs that wait or run."""
        return self.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])

    def due(self) -> "JobQuerySet":
        """Jobs that wait for nothing but a worker."""
        return self.filter(Q(due_at=None) | Q(due_at__lte=timezone.now()), state=Job.State.QUEUED)

    def running_on(self, cluster: str) -> "JobQuerySet":
        """Jobs that the processes of one cluster, `host:pid of its guard:`, are working at."""
        return self.filter(state=Job.State.RUNNING, worker__startswith=cluster)


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Reads of schedules."""

    def enabled(self) -> "ScheduleQuerySet":
        """Schedules that fire."""
        return self.filter(is_enabled=True)


class Schedule(models.Model):
    """When a kind of job is begun by itself: by a cron line, or every so many seconds."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=100)
    payload = models.JSONField(default=dict, blank=True, help_text=_("ids only"))
    cron = models.CharField(
        _("cron line"),
        max_length=100,
        blank=True,
        help_text=_("minute, hour, day of month, month, day of week: “0 3 * * *” is every day at 03:00"),
    )
    every_s = models.PositiveIntegerField(_("seconds between two runs"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="Asia/Seoul")
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_built_in = models.BooleanField(_("built in"), default=False, editable=False)
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True, editable=False)
    last_run_at = models.DateTimeField(_("last run"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name"]
        permissions = [("run_schedule", _("Can run a schedule now"))]
        constraints = [
            models.CheckConstraint(
                name="jobs_schedule_cron_or_interval",
                condition=Q(cron="", every_s__gte=1) | (~Q(cron="") & Q(every_s=None)),
                violation_error_message=_("Give either a cron line or an interval."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def in_words(self) -> str:
        """Give its name; of a built-in one what it does."""
        return handlers.label_of(self.kind) if self.is_built_in and self.name == self.kind else self.name


class Job(models.Model):
    """One piece of work: what, for whom, how far, how it ended."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        DEAD = "dead", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=100)
    payload = models.JSONField(_("payload"), default=dict, help_text=_("ids only"))
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.QUEUED)
    priority = models.SmallIntegerField(_("priority"), default=0, db_default=0, help_text=_("higher goes first"))
    key = models.CharField(
        _("key"), max_length=150, blank=True, default="", db_default="", help_text=_("one unfinished job a key")
    )
    active_key = models.CharField(max_length=150, null=True, blank=True, unique=True, editable=False)
    target_type = models.CharField(_("kind of target"), max_length=100, blank=True)
    target_id = models.CharField(_("target"), max_length=100, blank=True)
    target_label = models.CharField(_("target name"), max_length=255, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, help_text=_("percent"))
    step = models.CharField(_("step"), max_length=200, blank=True)
    result = models.JSONField(_("result"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("most attempts"), default=3)
    due_at = models.DateTimeField(_("not before"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel asked for"), null=True, blank=True)
    claim = models.UUIDField(null=True, blank=True, editable=False, help_text=_("the attempt that may write here"))
    worker = models.CharField(_("worker"), max_length=100, blank=True, help_text=_("host:cluster:process"))
    lease_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("end of the attempt, or of the wait for the bell"),
    )
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    schedule = models.ForeignKey(
        Schedule,
        null=True,
        blank=True,
        db_index=False,  # jobs_job_by_schedule begins with it
        on_delete=models.SET_NULL,
        related_name="jobs",
        verbose_name=_("schedule"),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        db_index=False,  # jobs_job_by_creator begins with it
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
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
            # A worker: the waiting job whose turn it is.
            models.Index(fields=["state", "-priority", "id"], name="jobs_job_by_turn"),
            # The jobs of one kind, newest first: the list's filter.
            models.Index(fields=["kind", "id"], name="jobs_job_by_kind"),
            # The runs of a schedule, newest first.
            models.Index(fields=["schedule", "id"], name="jobs_job_by_schedule"),
            # "My jobs", newest first.
            models.Index(fields=["created_by", "id"], name="jobs_job_by_creator"),
            # "What was done for this thing", newest first.
            models.Index(fields=["target_type", "target_id", "id"], name="jobs_job_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target_label}".strip()

    @property
    def in_words(self) -> str:
        """Name what is done to what."""
        return " · ".join(filter(None, (handlers.label_of(self.kind), self.target_label)))

    @property
    def is_finished(self) -> bool:
        """Whether the job has reached its final state."""
        return self.state not in (self.State.QUEUED, self.State.RUNNING)

    @property
    def is_retryable(self) -> bool:
        """Whether it may be tried again by hand."""
        return self.state in (self.State.FAILED, self.State.DEAD, self.State.CANCELLED)


class JobLog(models.Model):
    """One line that a job wrote; a line of level `step` says that a step of its work began."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="logs")
    at = models.DateTimeField(default=timezone.now)
    attempt = models.PositiveSmallIntegerField(default=0, db_default=0)
    level = models.CharField(max_length=10, default="info")
    message = models.TextField()

    class Meta:
        verbose_name = _("job log line")
        verbose_name_plural = _("job log lines")
        default_permissions = ()
        ordering = ["id"]

    def __str__(self) -> str:
        return self.message

    @property
    def is_long(self) -> bool:
        """Whether it has several lines, as a traceback has."""
        return "\n" in self.message

    @property
    def summary(self) -> str:
        """Give its last line: of a traceback the one that says what happened."""
        return self.message.strip().rpartition("\n")[2]
