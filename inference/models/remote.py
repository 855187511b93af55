"""Versions that live elsewhere: the servers that run them, and which model there each version is."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.sealing import SealedField
from registry.models import ModelVersion

NAME_LENGTH, URL_LENGTH, HEADER_LENGTH = 100, 500, 100


class RemoteServer(models.Model):
    """A server elsewhere that speaks a protocol of ours."""

    class Kind(models.TextChoices):
        OIP = "oip", "Open Inference Protocol v2"

    name = models.CharField(_("name"), max_length=NAME_LENGTH, unique=True)
    kind = models.CharField(_("protocol"), max_length=20, choices=Kind, default=Kind.OIP)
    base_url = models.CharField(_("address"), max_length=URL_LENGTH)
    header = models.CharField(_("header of the credential"), max_length=HEADER_LENGTH, default="Authorization")
    credential = SealedField(_("credential"), blank=True, default="")
    ca_pem = models.TextField(_("own certificate authority"), blank=True, default="")
    timeout_s = models.FloatField(_("time-out in seconds"), default=10.0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("server elsewhere")
        verbose_name_plural = _("servers elsewhere")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RemoteModel(models.Model):
    """Which model on which server a version is. The breaker is told by the web process that opened it last."""

    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="remote", primary_key=True)
    server = models.ForeignKey(RemoteServer, on_delete=models.PROTECT, related_name="models", verbose_name=_("server"))
    model = models.CharField(_("model there"), max_length=255)
    model_version = models.CharField(_("version there"), max_length=255, blank=True, default="")
    is_binary = models.BooleanField(_("takes binary tensors"), default=False)
    breaker_until = models.DateTimeField(_("left alone until"), null=True, blank=True)
    breaker_reason = models.TextField(_("why it is left alone"), blank=True, default="")

    class Meta:
        verbose_name = _("model elsewhere")
        verbose_name_plural = _("models elsewhere")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.model} {self.model_version}".strip()

    @property
    def is_left_alone(self) -> bool:
        """Whether a web process holds calls back now."""
        return self.breaker_until is not None and self.breaker_until > timezone.now()
