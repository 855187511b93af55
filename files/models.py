"""Bytes by their content, and the names people give them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7


class Blob(models.Model):
    """Bytes kept once however often they are named; `references` counts who needs them."""

    sha256 = models.CharField(_("SHA-256"), max_length=64, primary_key=True)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"))
    storage_key = models.CharField(max_length=255)
    references = models.PositiveIntegerField(_("references"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("blob")
        verbose_name_plural = _("blobs")

    def __str__(self) -> str:
        return self.sha256[:12]


class StoredFile(models.Model):
    """A named file of somebody's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="files", verbose_name=_("content"))
    name = models.CharField(_("name"), max_length=255)
    folder = models.CharField(_("folder"), max_length=255, blank=True)
    content_type = models.CharField(_("type"), max_length=127, default="application/octet-stream")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
