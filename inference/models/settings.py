"""How one version runs, where it differs from the settings of the installation."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from registry.manifest import MAX_BATCH
from registry.models import ModelVersion

MAX_PROCESSES, MAX_THREADS, LEAST_SHARE = 16, 64, 0.05
_DEVICE = RegexValidator(r"^(auto|cpu|cuda:\d{1,2})?\Z", _("Write cpu, auto, or cuda: and a number."))


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the processes of a version run; nought and empty stand for the settings of the installation."""

    processes: int = 1
    threads: int = 0
    max_batch: int = 0
    device: str = ""
    half: str = ""
    device_share: float = 1.0


class VersionSettings(models.Model):
    """What an operator chose for one version."""

    class Half(models.TextChoices):
        NONE = "", _("as its weights are")
        BF16 = "bf16", "BF16"
        FP16 = "fp16", "FP16"

    version = models.OneToOneField(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="run_settings",
        primary_key=True,
        verbose_name=_("version"),
    )
    processes = models.PositiveSmallIntegerField(
        _("processes"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_PROCESSES)]
    )
    threads = models.PositiveSmallIntegerField(_("threads"), default=0, validators=[MaxValueValidator(MAX_THREADS)])
    max_batch = models.PositiveIntegerField(_("largest batch"), default=0, validators=[MaxValueValidator(MAX_BATCH)])
    device = models.CharField(_("device"), max_length=10, blank=True, validators=[_DEVICE])
    half = models.CharField(_("computes in"), max_length=4, blank=True, choices=Half)
    device_share = models.FloatField(
        _("share of the device's memory"),
        default=1.0,
        validators=[MinValueValidator(LEAST_SHARE), MaxValueValidator(1)],
    )
    measured = models.JSONField(_("measured"), default=dict, blank=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("settings of a version")
        verbose_name_plural = _("settings of versions")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return str(self.version)

    def as_run(self) -> RunSettings:
        """Give what the model host starts processes with."""
        return RunSettings(
            processes=self.processes, threads=self.threads, max_batch=self.max_batch, device=self.device,
            half=self.half, device_share=self.device_share,
        )  # fmt: skip


def run_of(version: ModelVersion) -> RunSettings:
    """Give how a version runs, by its own row where it has one."""
    own: VersionSettings | None = getattr(version, "run_settings", None)
    return own.as_run() if own else RunSettings()
