"""Versions of registered models: folders of files, where they came from, what they were made from."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Left, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from common.ids import uuid7
from datasets.models import DatasetVersion
from files.models import Blob
from registry.models.registered import RegisteredModel
from registry.signature import Signature, parse_signature

SOURCE_START = 100


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Reads of model versions."""

    def ready(self) -> "ModelVersionQuerySet":
        """Versions that passed their check and may be served."""
        return self.filter(state=ModelVersion.State.READY)

    def present(self) -> "ModelVersionQuerySet":
        """Versions that nobody has deleted, by themselves or with their model."""
        return self.filter(deleted_at=None)

    def deleted(self) -> "ModelVersionQuerySet":
        """Versions in the bin."""
        return self.filter(deleted_at__isnull=False)


class ModelVersion(models.Model):
    """One immutable folder of files of a model, and what its check found."""

    class State(models.TextChoices):
        REGISTERED = "registered", _("registered, not servable")
        PENDING = "pending", _("waiting for its check")
        CHECKING = "checking", _("being checked")
        READY = "ready", _("ready")
        REFUSED = "refused", _("refused")
        ARCHIVED = "archived", _("archived")
        DELETED = "deleted", pgettext_lazy("state", "deleted")

    class Format(models.TextChoices):
        SAFETENSORS = "safetensors", "safetensors"
        STATE_DICT = "state_dict", "PyTorch state dict"
        TORCHSCRIPT = "torchscript", "TorchScript"
        EXPORTED_PROGRAM = "exported_program", "torch.export"
        HUGGINGFACE = "huggingface", "Hugging Face"
        REMOTE = "remote", _("runs elsewhere")
        OTHER = "other", _("kept, not servable")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="versions", verbose_name=_("model")
    )
    number = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.PENDING)
    format = models.CharField(_("format"), max_length=30, choices=Format)
    manifest = models.JSONField(_("manifest"), default=dict)
    signature = models.JSONField(_("signature"), default=dict)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    check_report = models.JSONField(_("check"), default=dict, blank=True)
    refusal = models.TextField(_("why it was refused"), blank=True)
    description = models.TextField(_("description"), blank=True)
    is_trusted = models.BooleanField(_("trusted to run as a program"), default=False)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)
    digest = models.CharField(
        _("digest"), max_length=64, blank=True, help_text=_("SHA-256 over the names and hashes of the uploaded files")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    source = models.CharField(
        _("source"), max_length=1000, blank=True, db_default="", help_text=_("where it was registered from")
    )
    storage_location = models.CharField(
        max_length=1000,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text=_("where the files of a copy lie that has none here, whatever becomes of its original"),
    )
    source_start = models.GeneratedField(
        expression=Left("source", SOURCE_START),
        output_field=models.CharField(max_length=SOURCE_START),
        db_persist=True,
    )
    run_id = models.CharField(_("run"), max_length=64, blank=True, db_default="")
    run_link = models.CharField(_("link to the run"), max_length=500, blank=True, db_default="")
    stage = models.CharField(_("stage"), max_length=20, default="None", db_default="None")
    copied_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="copies", verbose_name=_("copied from")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, db_default=Now())
    deleted_at = models.DateTimeField(_("deleted"), null=True, editable=False)
    state_before = models.CharField(max_length=20, choices=State, blank=True, db_default="", default="", editable=False)
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-number"]
        permissions = [
            ("trust_modelversion", _("Can trust a version that is a program")),
            ("archive_modelversion", _("Can archive a version")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="registry_modelversion_one_per_number"),
        ]
        indexes = [
            # The list of one model's versions by state, newest first.
            models.Index(fields=["model", "state", "number"], name="registry_version_by_state"),
            # "Is this content here already", asked by each import.
            models.Index(fields=["model", "digest"], name="registry_version_by_digest"),
            # The newest version of each stage, asked by MLflow's clients before nearly every change.
            models.Index(fields=["model", "stage", "state", "number"], name="registry_version_newest"),
            # Searches of MLflow's clients, last changed first or by number: in one model, and in all. The last is the
            # bin's, too.
            models.Index(fields=["model", "deleted_at", "updated_at", "number"], name="registry_version_changed"),
            models.Index(fields=["model", "deleted_at", "number"], name="registry_version_present"),
            models.Index(fields=["deleted_at", "updated_at"], name="registry_version_by_change"),
            # By where it was registered from, in one model and in all; PostgreSQL needs this order for beginnings.
            models.Index(
                fields=["model", "source_start"],
                name="registry_version_by_source",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
            models.Index(fields=["source_start"], name="registry_version_of_source", opclasses=["varchar_pattern_ops"]),
            # "What came of this run."
            models.Index(fields=["run_id"], name="registry_version_by_run"),
        ]

    def __str__(self) -> str:
        return f"{self.model} v{self.number}"

    @property
    def is_program(self) -> bool:
        """Whether its weights are a program, which runs only once somebody has trusted it."""
        return self.format in (self.Format.TORCHSCRIPT, self.Format.EXPORTED_PROGRAM)

    @property
    def is_remote(self) -> bool:
        """Whether a server elsewhere runs it: it has no weights here."""
        return self.format == self.Format.REMOTE

    @property
    def is_waiting_for_trust(self) -> bool:
        """Whether nothing happens until somebody trusts it."""
        return self.state == self.State.PENDING and self.is_program and not self.is_trusted

    @property
    def weights_path(self) -> str:
        """The path of the file that holds its weights."""
        return str(self.manifest.get("weights", ""))

    def parsed_signature(self) -> Signature:
        """Give the signature as an object."""
        return parse_signature(self.signature)


class ModelFile(models.Model):
    """One file of a version, by its path inside the version's folder."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="files", verbose_name=_("version"))
    path = models.CharField(_("path"), max_length=255)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="model_files", verbose_name=_("content"))

    class Meta:
        verbose_name = _("model file")
        verbose_name_plural = _("model files")
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["version", "path"], name="registry_modelfile_one_per_path")]

    def __str__(self) -> str:
        return self.path


class TrainingData(models.Model):
    """A dataset version that a model version was trained on."""

    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="training_data", verbose_name=_("version")
    )
    dataset_version = models.ForeignKey(
        DatasetVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("dataset version")
    )

    class Meta:
        verbose_name = _("training data")
        verbose_name_plural = _("training data")
        default_permissions = ()
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "dataset_version"], name="registry_trainingdata_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version} ← {self.dataset_version}"
