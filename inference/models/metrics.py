"""Traffic counted by the minute."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MetricWindow(models.Model):
    """One minute of one version of one deployment, rolled up from the request rows."""

    minute = models.DateTimeField(_("minute"))
    deployment = models.CharField(_("deployment"), max_length=100)
    version = models.PositiveIntegerField(_("version"))
    requests = models.PositiveIntegerField(_("requests"), default=0)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    errors = models.PositiveIntegerField(_("errors"), default=0)
    latency_sum_ms = models.FloatField(default=0)
    latency_max_ms = models.FloatField(default=0)
    success_rows = models.PositiveIntegerField(default=0, db_default=0)
    error_sum_ms = models.FloatField(default=0, db_default=0.0)
    queue_sum_ms = models.FloatField(default=0, db_default=0.0)
    run_sum_ms = models.FloatField(default=0, db_default=0.0)
    executions = models.FloatField(default=0, db_default=0.0, help_text=_("runs of the model"))
    last_at = models.DateTimeField(null=True, help_text=_("the last answer"))
    batches = models.JSONField(null=True, help_text=_("runs and their milliseconds by rows that ran together"))
    histogram = models.JSONField(default=dict, help_text=_("requests by latency bucket"))

    class Meta:
        verbose_name = _("metric window")
        verbose_name_plural = _("metric windows")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["minute", "deployment", "version"], name="inference_window_once"),
        ]

    def __str__(self) -> str:
        return f"{self.minute} {self.deployment}"


class VersionTotal(models.Model):
    """What one version of one deployment served before a moment: its windows that change no more, added up."""

    deployment = models.CharField(_("deployment"), max_length=100)
    version = models.PositiveIntegerField(_("version"))
    until = models.DateTimeField(help_text=_("windows before are in it"))
    requests = models.PositiveBigIntegerField(_("requests"), default=0)
    errors = models.PositiveBigIntegerField(_("errors"), default=0)
    success_rows = models.PositiveBigIntegerField(default=0)
    latency_sum_ms = models.FloatField(default=0)
    error_sum_ms = models.FloatField(default=0)
    queue_sum_ms = models.FloatField(default=0)
    run_sum_ms = models.FloatField(default=0)
    executions = models.FloatField(default=0, help_text=_("runs of the model"))
    last_at = models.DateTimeField(null=True, help_text=_("the last answer"))
    batches = models.JSONField(null=True, help_text=_("runs and their milliseconds by rows that ran together"))

    class Meta:
        verbose_name = _("total of a version")
        verbose_name_plural = _("totals of versions")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["deployment", "version"], name="inference_total_once")]

    def __str__(self) -> str:
        return f"{self.deployment} v{self.version}"
