"""Names that point at versions, and tags."""

from django.db import models
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _

from registry.models.registered import RegisteredModel
from registry.models.versions import ModelVersion

VALUE_START = 100


class ModelAlias(models.Model):
    """A movable name for a version, such as `champion`."""

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.CASCADE, related_name="aliases", verbose_name=_("model")
    )
    name = models.CharField(_("alias"), max_length=100)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="aliases", verbose_name=_("version")
    )
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="registry_modelalias_one_per_name")]

    def __str__(self) -> str:
        return f"{self.model}@{self.name}"


class ModelTag(models.Model):
    """A key and value on a model."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="tags", verbose_name=_("model"))
    key = models.CharField(_("key"), max_length=250)
    value = models.TextField(_("value"), blank=True)

    class Meta:
        verbose_name = _("tag of a model")
        verbose_name_plural = _("tags of models")
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["model", "key"], name="registry_modeltag_one_per_key")]
        # Searches by a tag.
        indexes = [models.Index(fields=["key"], name="registry_modeltag_by_key")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class VersionTag(models.Model):
    """A key and value on one version of a model."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="tags", verbose_name=_("version"))
    key = models.CharField(_("key"), max_length=250)
    value = models.TextField(_("value"), blank=True)
    value_start = models.GeneratedField(
        expression=Left("value", VALUE_START), output_field=models.CharField(max_length=VALUE_START), db_persist=True
    )

    class Meta:
        verbose_name = _("tag of a version")
        verbose_name_plural = _("tags of versions")
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="registry_versiontag_one_per_key")]
        # Searches by a tag; a whole text cannot be indexed everywhere.
        indexes = [models.Index(fields=["key", "value_start"], name="registry_versiontag_by_value")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
