"""Registered models."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RegisteredModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Reads of registered models."""

    def present(self) -> "RegisteredModelQuerySet":
        """Models that nobody has deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> "RegisteredModelQuerySet":
        """Models in the bin."""
        return self.exclude(deleted_at=None)


class RegisteredModel(models.Model):
    """A model by name; its versions count from 1."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)
    intended_use = models.TextField(_("intended use"), blank=True, default="", db_default="")
    limits = models.TextField(_("limits"), blank=True, default="", db_default="")
    licence = models.CharField(_("licence"), max_length=120, blank=True, default="", db_default="")
    task = models.CharField(_("task"), max_length=50, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    deployment_job_id = models.CharField(
        max_length=255, blank=True, db_default="", help_text=_("kept for MLflow clients; means nothing here")
    )
    deleted_name = models.CharField(
        max_length=120, blank=True, db_default="", editable=False, help_text=_("its name before it was deleted")
    )
    deleted_at = models.DateTimeField(_("deleted"), null=True, editable=False)
    last_version = models.PositiveIntegerField(_("last version"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = RegisteredModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["name"]
        permissions = [
            ("restore_registeredmodel", _("Can bring back what was deleted")),
            ("purge_registeredmodel", _("Can remove deleted models and versions for good")),
        ]

    def __str__(self) -> str:
        return self.deleted_name or self.name
