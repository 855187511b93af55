"""Work on data, step by step: what each step took in, gave out and changed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from datasets.models.datasets import DatasetVersion
from files.models import Blob
from jobs.models import Job


class PreprocessingJob(models.Model):
    """One run that makes one dataset version: an import of a source, or a recipe applied to a version.

    The work itself, its state, log, cancel and retry are `job`; the version it makes is made once (one to one).
    """

    class Kind(models.TextChoices):
        IMPORT = "import", _("import")
        RECIPE = "recipe", _("recipe")
        SPLIT = "split", _("split")

    class Engine(models.TextChoices):
        LOCAL = "local", _("this machine")
        RAY = "ray", _("Ray cluster")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    engine = models.CharField(_("engine"), max_length=20, choices=Engine, default=Engine.LOCAL)
    version = models.OneToOneField(
        DatasetVersion, on_delete=models.PROTECT, related_name="preprocessing", verbose_name=_("makes")
    )
    job = models.OneToOneField(
        Job, null=True, on_delete=models.SET_NULL, related_name="preprocessing", verbose_name=_("job")
    )
    options = models.JSONField(_("options"), default=dict, blank=True)
    rows_total = models.PositiveBigIntegerField(_("rows in all"), null=True, blank=True)
    peak_memory_bytes = models.PositiveBigIntegerField(_("most memory"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("preprocessing job")
        verbose_name_plural = _("preprocessing jobs")
        default_permissions = ("view",)
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.version}"


class PreprocessingStep(models.Model):
    """How far one step of a run is, and what it did: a few rows before and after, counts, a report of its own.

    `label` is kept as the texts of this code have it, before any translation; `in_words` is for people.
    `samples` lists `{"row", "column", "before", "after"}` or dropped rows; `report` is what only this kind of step
    tells (matches of near duplicates, kinds of personal data masked, size of a vocabulary).
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("left out")

    preprocessing = models.ForeignKey(PreprocessingJob, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=50)
    label = models.CharField(_("name"), max_length=255)
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.WAITING)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    rows_in = models.PositiveBigIntegerField(_("rows in"), null=True, blank=True)
    rows_out = models.PositiveBigIntegerField(_("rows out"), null=True, blank=True)
    worked_ms = models.PositiveBigIntegerField(_("worked, ms"), null=True, blank=True)
    samples = models.JSONField(_("samples"), default=list, blank=True)
    report = models.JSONField(_("report"), default=dict, blank=True)

    class Meta:
        verbose_name = _("preprocessing step")
        verbose_name_plural = _("preprocessing steps")
        default_permissions = ()
        ordering = ["preprocessing", "number"]
        constraints = [
            models.UniqueConstraint(fields=["preprocessing", "number"], name="datasets_preprocessingstep_number"),
        ]

    def __str__(self) -> str:
        return self.in_words

    @property
    def in_words(self) -> str:
        """Give its name in the language of the reader."""
        return gettext(self.label)


class Artefact(models.Model):
    """A file that a step made beside the rows: a trained tokeniser, a full report."""

    preprocessing = models.ForeignKey(PreprocessingJob, on_delete=models.CASCADE, related_name="artefacts")
    step = models.PositiveIntegerField(_("step"))
    name = models.CharField(_("name"), max_length=255)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("artefact of a step")
        verbose_name_plural = _("artefacts of steps")
        default_permissions = ()
        ordering = ["preprocessing", "step", "name"]
        constraints = [
            models.UniqueConstraint(fields=["preprocessing", "step", "name"], name="datasets_artefact_name"),
        ]

    def __str__(self) -> str:
        return self.name
