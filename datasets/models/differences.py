"""What differs between two versions, found once for each pair."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from datasets.models.datasets import DatasetVersion
from files.models import Blob
from jobs.models import Job


class VersionDifference(models.Model):
    """The rows and columns that differ between two sealed versions, which never changes once it is found.

    `key` is the column that was asked for to tell rows apart, empty for one found by itself. `summary` holds the counts
    and the columns, `examples` some rows of each kind (`datasets/difference/writing.py`), `blob` all rows as Parquet.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    before = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("before"))
    after = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("after"))
    key = models.CharField(_("key column"), max_length=255, blank=True)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("job"))
    summary = models.JSONField(_("summary"), default=dict, blank=True)
    examples = models.JSONField(_("examples"), default=dict, blank=True)
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
    found_at = models.DateTimeField(_("found"), null=True, blank=True)

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        default_permissions = ()
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["before", "after", "key"], name="datasets_versiondifference_once"),
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
