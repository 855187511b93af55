"""A version over a whole file: what runs, how far it is, and what came of it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from files.models import Blob, StoredFile
from jobs.models import Job
from registry.models import ModelVersion

if TYPE_CHECKING:
    from accounts.models import User


class BatchRunQuerySet(models.QuerySet["BatchRun"]):
    """Reads of batch runs."""

    def visible_to(self, user: User) -> BatchRunQuerySet:
        """All runs for those who may see other people's calls, else the user's own."""
        if user.has_perm("inference.view_any_inferencerequest"):
            return self
        return self.filter(created_by_id=user.pk)

    def running(self) -> BatchRunQuerySet:
        """Runs that a worker is at: their versions are kept loaded."""
        return self.filter(job__state=Job.State.RUNNING)


class BatchRun(models.Model):
    """A version over the rows of a file. Its state, attempts and errors are those of its job."""

    class Format(models.TextChoices):
        PARQUET = "parquet", "Parquet"
        JSONL = "jsonl", "JSON Lines"
        CSV = "csv", "CSV"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="batch_runs", verbose_name=_("version")
    )
    file = models.ForeignKey(
        StoredFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("file")
    )
    file_name = models.CharField(_("file"), max_length=255)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+", verbose_name=_("content"))
    format = models.CharField(_("format"), max_length=10, choices=Format)
    id_column = models.CharField(_("id column"), max_length=255, blank=True)
    columns = models.JSONField(_("columns"), help_text=_("column by input"))
    wrong_limit = models.PositiveSmallIntegerField(
        _("most wrong rows"), default=10, help_text=_("percent; the run stops beyond it")
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="batch_run", verbose_name=_("job"))
    rows_total = models.PositiveBigIntegerField(_("rows"), null=True, blank=True)
    rows_done = models.PositiveBigIntegerField(_("rows done"), default=0)
    rows_wrong = models.PositiveBigIntegerField(_("wrong rows"), default=0)
    worked_ms = models.PositiveBigIntegerField(_("time at work in ms"), default=0)
    sample = models.JSONField(_("sample"), default=list, blank=True, help_text=_("the first rows of the result"))
    problems = models.JSONField(_("wrong rows"), default=list, blank=True, help_text=_("the first ones, with errors"))
    result = models.ForeignKey(
        StoredFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("result")
    )
    result_sha256 = models.CharField(_("SHA-256 of the result"), max_length=64, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = BatchRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch run")
        verbose_name_plural = _("batch runs")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(wrong_limit__lte=100), name="inference_batchrun_limit_is_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.version} · {self.file_name}"

    @property
    def rows_per_s(self) -> float | None:
        """Give the rows a second so far, `None` before there are any."""
        return self.rows_done * 1000 / self.worked_ms if self.worked_ms else None

    @property
    def left_ms(self) -> float | None:
        """Guess the time left, `None` where there is nothing to guess from."""
        rate = self.rows_per_s
        return (self.rows_total - self.rows_done) * 1000 / rate if rate and self.rows_total is not None else None

    @property
    def result_name(self) -> str:
        """Give the name of the file that its result becomes."""
        return f"{PurePath(self.file_name).stem[:200]}.{self.version.model.name[:30]}-v{self.version.number}.parquet"


class BatchPart(models.Model):
    """The results of some rows, kept until all parts become the result. A row here is never run again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(BatchRun, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    rows = models.PositiveIntegerField()
    position = models.PositiveBigIntegerField(help_text=_("where in the file the next part begins"))
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("part of a batch run")
        verbose_name_plural = _("parts of batch runs")
        default_permissions = ()
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="inference_batchpart_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.number}"
