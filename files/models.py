"""Bytes by their content, the names people give them, and what is on its way in."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7

BINARY = "application/octet-stream"
MIB = 1024 * 1024


class Blob(models.Model):
    """Bytes kept once however often they are named; `references` counts the rows that need them.

    A count rises and falls in the transaction that writes or deletes the row that needs the blob.
    """

    sha256 = models.CharField(_("SHA-256"), max_length=64, primary_key=True)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"))
    storage_key = models.CharField(max_length=255)
    content_type = models.CharField(_("type"), max_length=127, default=BINARY, db_default=BINARY)
    references = models.PositiveIntegerField(_("references"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    stored_at = models.DateTimeField(_("last stored"), auto_now_add=True, db_default=Now())
    thumbnail = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("thumbnail")
    )
    has_thumbnail_failed = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = _("blob")
        verbose_name_plural = _("blobs")
        # Housekeeping: blobs that nobody needs, oldest first.
        indexes = [models.Index(fields=["references", "stored_at"], name="files_blob_unused")]

    def __str__(self) -> str:
        return self.sha256[:12]


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    """Reads of files."""

    def visible_to(self, user_id: int | None) -> StoredFileQuerySet:
        """The person's own."""
        return self.filter(owner_id=user_id) if user_id is not None else self.none()

    def present(self) -> StoredFileQuerySet:
        """Files that are not in the bin."""
        return self.filter(deleted_at=None)

    def on_shelf(self) -> StoredFileQuerySet:
        """Files that stand on the public shelf."""
        return self.exclude(shelf_path=None)


class StoredFile(models.Model):
    """A named file of somebody's; one with `deleted_at` lies in the bin until it is purged.

    `shelf_path` is where a file of the public shelf is found, folder and name; `None` for all others, and in the bin.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="files", verbose_name=_("content"))
    name = models.CharField(_("name"), max_length=255)
    folder = models.CharField(_("folder"), max_length=255, blank=True)
    shelf_path = models.CharField(  # noqa: DJ001 - unique, and most have none
        max_length=511, null=True, blank=True, editable=False
    )
    content_type = models.CharField(_("type"), max_length=127, default=BINARY)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["shelf_path"], name="files_storedfile_one_on_shelf")]
        permissions = [
            ("view_any_storedfile", _("Can see the files of other people")),
            ("view_shelf", _("Can see the files of the public shelf")),
            ("add_shelf", _("Can put files on the public shelf")),
        ]
        indexes = [
            # The bin, oldest first; almost all rows hold no time.
            models.Index(fields=["deleted_at"], name="files_storedfile_bin"),
            # What lies in a folder, and which folders there are.
            models.Index(fields=["owner", "folder", "id"], name="files_storedfile_place"),
        ]

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """Bytes on their way in: how many are safe, and once all are, the blob and the file that they became.

    `parts` names what is safe, in order (`files/staging`). `claim` is the request that may add to it: a newer one takes
    it over, so a client whose connection broke goes on at once.
    """

    class State(models.TextChoices):
        RECEIVING = "receiving", _("on its way")
        CHECKING = "checking", _("being checked")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")

    class Way(models.TextChoices):
        TUS = "tus", _("through Flueman, resumable (tus)")
        MULTIPART = "multipart", _("straight to S3 (presigned multipart)")
        PARTS = "parts", _("by an MLflow client, in parts")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=255)
    folder = models.CharField(_("folder"), max_length=255, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, help_text=_("as announced"))
    way = models.CharField(max_length=20, choices=Way, default=Way.TUS)
    is_temporary = models.BooleanField(default=False, help_text=_("becomes no file: used by its id, then gone"))
    is_public = models.BooleanField(default=False, db_default=False, help_text=_("becomes a file of the public shelf"))
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.RECEIVING)
    received_bytes = models.PositiveBigIntegerField(_("received"), default=0)
    parts = models.JSONField(default=list, blank=True)
    next_part = models.PositiveIntegerField(default=0)
    multipart_id = models.TextField(blank=True)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    blob = models.ForeignKey(Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads")
    file = models.ForeignKey(StoredFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    refusal = models.TextField(_("refused because"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(received_bytes__lte=models.F("size_bytes")), name="files_upload_received_within_size"
            ),
        ]
        # Housekeeping: uploads that nobody went on with.
        indexes = [models.Index(fields=["expires_at"], name="files_upload_expired")]

    def __str__(self) -> str:
        return self.name

    @property
    def part_bytes(self) -> int:
        """Give the size of all parts but the last: S3 takes at most 10,000, of at least 5 MiB."""
        return max(8 * MIB, -(-self.size_bytes // 9_000 // MIB) * MIB)

    @property
    def part_count(self) -> int:
        """Give how many parts of that size there are, at least one."""
        return max(1, -(-self.size_bytes // self.part_bytes))

    @property
    def staging_key(self) -> PurePosixPath:
        """Give the server's own name for the bytes until they are checked."""
        return PurePosixPath(".incoming", str(self.id))


class Quota(models.Model):
    """How much one person may keep, where it is not what the settings give everybody."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("person"),
    )
    max_bytes = models.PositiveBigIntegerField(_("most bytes"))

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return str(self.user)
