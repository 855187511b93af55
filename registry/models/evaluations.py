"""What a version answered to rows whose right answers are known."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from datasets.models import DatasetVersion
from files.models import Blob
from jobs.models import Job
from registry.models.versions import ModelVersion


class Evaluation(models.Model):
    """A run of a version over a labelled dataset version; its state is that of its job. `inference` runs it."""

    class Task(models.TextChoices):
        CLASSIFICATION = "classification", _("classification")
        REGRESSION = "regression", _("regression")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="evaluations", verbose_name=_("version")
    )
    dataset_version = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("dataset version")
    )
    baseline = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("compared with"),
        help_text=_("the evaluation of another version over the same rows"),
    )
    task = models.CharField(_("task"), max_length=20, choices=Task)
    options = models.JSONField(_("columns"), default=dict, help_text=_("inputs by column, the label, the slices"))
    metrics = models.JSONField(_("metrics"), default=dict, blank=True, help_text=_("numbers by name"))
    report = models.JSONField(_("report"), default=dict, blank=True, help_text=_("curves, confusion, slices, latency"))
    answers = models.ForeignKey(
        Blob, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("answers by row")
    )
    rows = models.PositiveBigIntegerField(_("rows"), null=True)
    wrong_rows = models.PositiveBigIntegerField(_("wrong rows"), null=True)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("job"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")
        ordering = ["-id"]
        indexes = [
            # The newest evaluation of a version over a dataset version, asked by gates and pages.
            models.Index(fields=["version", "dataset_version", "id"], name="registry_evaluation_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.version} · {self.dataset_version}"

    @property
    def over(self) -> tuple[Any, ...]:
        """What two evaluations must have in common to be compared, besides columns: rows, and what is right there."""
        return self.dataset_version_id, self.task, self.options.get("split", ""), self.options.get("label", "")

    def has_same_columns(self, inputs: Mapping[str, str]) -> bool:
        """Whether inputs of these names come from these columns here; those of other names have their own."""
        own = self.options.get("inputs", {})
        return own.keys() != inputs.keys() or own == inputs
