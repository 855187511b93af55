"""Datasets, their sealed versions, the parts these are made of, and where rows come from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from common.sealing import SealedField
from files.models import Blob


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Reads of datasets."""

    def present(self) -> DatasetQuerySet:
        """Datasets that are not archived."""
        return self.filter(archived_at=None)


class Dataset(models.Model):
    """Rows under one name; its versions count from 1."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True)
    licence = models.CharField(_("licence"), max_length=100, blank=True, help_text=_("an SPDX name, or in words"))
    has_personal_data = models.BooleanField(_("personal data"), null=True, blank=True, help_text=_("empty: not known"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    last_version = models.PositiveIntegerField(_("last version"), default=0, editable=False)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset")
        verbose_name_plural = _("datasets")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DatasetTag(models.Model):
    """A word that datasets are found by."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="tags", verbose_name=_("dataset"))
    name = models.CharField(_("name"), max_length=50)

    class Meta:
        verbose_name = _("dataset tag")
        verbose_name_plural = _("dataset tags")
        default_permissions = ()
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="datasets_datasettag_once"),
        ]
        # "All datasets with this tag."
        indexes = [models.Index(fields=["name"], name="datasets_datasettag_by_name")]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """Where the rows of an import come from; it can be read again for the next version.

    `options` says what to read and how (`datasets/sources`); `secret` is what it needs and nobody may see, sealed.
    """

    class Kind(models.TextChoices):
        FILE = "file", _("uploaded file")
        S3 = "s3", _("S3")
        PATH = "path", _("folder of the server")
        HTTP = "http", _("web address")
        DATABASE = "database", _("database query")
        DATASET = "dataset", _("another dataset")
        FEEDBACK = "feedback", _("reviewed feedback")
        PREDICTIONS = "predictions", _("logged predictions")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="sources", verbose_name=_("dataset"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    options = models.JSONField(_("options"), default=dict)
    secret = SealedField(blank=True, editable=False)
    label = models.CharField(_("what it reads"), max_length=255)
    blob = models.ForeignKey(Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False)
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
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.label


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    """Reads of dataset versions."""

    def sealed(self) -> DatasetVersionQuerySet:
        """Versions that are whole and never change again."""
        return self.filter(state=DatasetVersion.State.SEALED)


class DatasetVersion(models.Model):
    """Rows that never change once sealed: parts in order, their schema, and what was found in them.

    `digest` is the SHA-256 over schema and parts (`datasets/sealing.py`); `columns` lists `{"name", "type"}`;
    `summary` is the profile in a few numbers, the whole of it lies in `profile`; `rejects` are the rows set aside.
    """

    class State(models.TextChoices):
        WRITING = "writing", _("being written")
        SEALED = "sealed", _("sealed")
        FAILED = "failed", _("not made")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions", verbose_name=_("dataset"))
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.WRITING)
    columns = models.JSONField(_("columns"), default=list)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)
    digest = models.CharField(_("SHA-256"), max_length=64, blank=True)
    description = models.TextField(_("description"), blank=True)
    source = models.ForeignKey(
        Source,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="versions",
        verbose_name=_("source"),
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children", verbose_name=_("made of")
    )
    recipe = models.ForeignKey(
        "datasets.RecipeVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="versions",
        verbose_name=_("recipe"),
    )
    rejected_rows = models.PositiveBigIntegerField(_("rows set aside"), default=0)
    rejects = models.ForeignKey(Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    summary = models.JSONField(_("summary"), default=dict, blank=True)
    profile = models.ForeignKey(Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sealed_at = models.DateTimeField(_("sealed"), null=True, blank=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset version")
        verbose_name_plural = _("dataset versions")
        ordering = ["-id"]
        permissions = [("export_datasetversion", _("Can export a dataset version"))]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="datasets_datasetversion_number"),
            models.CheckConstraint(
                condition=~Q(state="sealed") | (~Q(digest="") & Q(sealed_at__isnull=False)),
                name="datasets_datasetversion_sealed_whole",
            ),
        ]
        # "Is this content known?": the same rows again.
        indexes = [models.Index(fields=["digest"], name="datasets_version_by_digest")]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def is_sealed(self) -> bool:
        """Whether it is whole."""
        return self.state == self.State.SEALED


class DatasetPart(models.Model):
    """Some rows of a version in one Parquet blob; all parts of a split in order are its rows."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="parts")
    split = models.CharField(_("split"), max_length=50, blank=True, help_text=_("train, validation, test; else empty"))
    number = models.PositiveIntegerField(_("number"))
    first_row = models.PositiveBigIntegerField(_("first row"))
    rows = models.PositiveIntegerField(_("rows"))
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"))
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("dataset part")
        verbose_name_plural = _("dataset parts")
        default_permissions = ()
        ordering = ["version", "number"]
        constraints = [
            models.UniqueConstraint(fields=["version", "number"], name="datasets_datasetpart_number"),
        ]
        # The part that holds a row, for pages of a preview.
        indexes = [models.Index(fields=["version", "first_row"], name="datasets_part_by_first_row")]

    def __str__(self) -> str:
        return f"{self.version_id}/{self.number}"
