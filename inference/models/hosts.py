"""Where versions run: the model hosts, and the processes at which web reaches each version."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models import ModelVersion

SILENT_AFTER = timedelta(seconds=20)


class ModelHostQuerySet(models.QuerySet["ModelHost"]):
    """Reads of the hosts."""

    def live(self) -> ModelHostQuerySet:
        """Those that said a moment ago that they live."""
        return self.filter(heartbeat_at__gt=timezone.now() - SILENT_AFTER)

    def silent(self) -> ModelHostQuerySet:
        """Those that have not."""
        return self.filter(heartbeat_at__lte=timezone.now() - SILENT_AFTER)


class ModelHost(models.Model):
    """A model host that runs, or ran, on this database."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    address = models.CharField(
        _("address"), max_length=200, blank=True, help_text=_("tls://host:port; empty on the machine of web")
    )
    takes = models.CharField(_("models it takes"), max_length=500, default="*")
    heartbeat_at = models.DateTimeField(_("last sign of life"))

    objects = ModelHostQuerySet.as_manager()

    class Meta:
        verbose_name = _("model host")
        verbose_name_plural = _("model hosts")
        default_permissions = ("view",)
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Replica(models.Model):
    """A process that serves a version: a path of a unix socket, or an address at the door of its host."""

    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="replicas", verbose_name=_("version")
    )
    host = models.ForeignKey(ModelHost, on_delete=models.CASCADE, related_name="replicas", verbose_name=_("model host"))
    address = models.CharField(_("address"), max_length=255)

    class Meta:
        verbose_name = _("replica")
        verbose_name_plural = _("replicas")
        default_permissions = ("view",)
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["version", "host", "address"], name="inference_replica_once")]

    def __str__(self) -> str:
        return f"{self.version} at {self.address}"
