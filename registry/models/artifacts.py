"""The tree of files that MLflow's clients keep beside their models, before and after these become versions."""

from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from files.models import Blob


class ArtifactQuerySet(models.QuerySet["Artifact"]):
    """Reads of artifacts."""

    def below(self, folder: str) -> "ArtifactQuerySet":
        """Files in a folder and in those within it."""
        return self.filter(_below(folder))

    def at_or_below(self, path: str) -> "ArtifactQuerySet":
        """A file, or the files of a folder."""
        return self.filter(Q(path=path) | _below(path))


def _below(folder: str) -> Q:
    """Give the condition that is exact, and served by the index of paths, on every database."""
    if connection.vendor == "postgresql":  # its order of texts is a language's, and its LIKE tells cases apart
        return Q(path__startswith=f"{folder}/")
    return Q(path__gte=f"{folder}/", path__lt=f"{folder}0")  # "0" follows "/"


class Artifact(models.Model):
    """A file by its path; folders are there as long as files lie in them."""

    path = models.CharField(_("path"), max_length=255, unique=True)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="artifacts", verbose_name=_("content"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("owner")
    )
    upload_id = models.UUIDField(null=True, help_text=_("by which it was sent, if in parts"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        verbose_name = _("artifact")
        verbose_name_plural = _("artifacts")
        default_permissions = ()
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path
