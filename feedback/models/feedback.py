"""What a person says of one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7

if TYPE_CHECKING:
    from accounts.models import User

SEE_ALL = "inference.view_any_inferencerequest"


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    """Reads of feedback."""

    def visible_to(self, user: User) -> FeedbackQuerySet:
        """All feedback for those who may see other people's calls, else what came under the user's own account."""
        return self if user.has_perm(SEE_ALL) else self.filter(user_id=user.pk)

    def open_to(self, caller: Any) -> FeedbackQuerySet:
        """All feedback that a credential lets its owner see; a key for some models sees only these."""
        rows = self if caller.may(SEE_ALL) else self.filter(user_id=caller.user_id)
        return rows if caller.allowed_models is None else rows.filter(deployment__in=caller.allowed_models)


class Feedback(models.Model):
    """One person's judgement of one target; said again it is changed, and the earlier words are kept as revisions.

    Names of what it speaks of are copies, so that the row outlives them.
    """

    class Target(models.TextChoices):
        PREDICTION = "prediction", _("prediction")
        BATCH_ROW = "batch_row", _("row of a batch run")
        MESSAGE = "message", _("chat message")

    class Source(models.TextChoices):
        API = "api", "REST"
        ADMIN = "admin", _("back office")
        END_USER = "end_user", _("end user")
        IMPORT = "import", _("import")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    target = models.CharField(_("target"), max_length=20, choices=Target)
    target_key = models.CharField(max_length=120, help_text=_("what is judged, written the same way each time"))
    request_id = models.UUIDField(_("request"), null=True)
    batch_run_id = models.UUIDField(_("batch run"), null=True)
    row = models.PositiveBigIntegerField(_("row"), default=0)
    deployment = models.CharField(_("deployment"), max_length=100, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    version = models.PositiveIntegerField(_("version"), null=True)
    version_id = models.UUIDField(null=True)
    person_key = models.CharField(max_length=120, help_text=_("whose judgement: user, key or end user"))
    person = models.CharField(_("person"), max_length=150)
    user_id = models.BigIntegerField(null=True)
    source = models.CharField(_("source"), max_length=10, choices=Source)
    thumb = models.SmallIntegerField(_("thumb"), null=True, help_text=_("1 up, -1 down"))
    rating = models.PositiveSmallIntegerField(_("rating"), null=True, help_text=_("1 to 5"))
    correction = models.JSONField(_("right answer"), null=True)
    has_correction = models.BooleanField(default=False, db_default=False, help_text=_("so that an index can tell"))
    labels = models.JSONField(_("labels"), default=list)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("given"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-id"]
        permissions = [
            ("import_feedback", _("Can bring in feedback of others")),
            ("erase_feedback", _("Can erase what an end user has said")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["target_key", "person_key"], name="feedback_once_per_person_and_target"),
            models.CheckConstraint(condition=Q(thumb=None) | Q(thumb__in=[-1, 1]), name="feedback_thumb_up_or_down"),
            models.CheckConstraint(
                condition=Q(rating=None) | Q(rating__range=(1, 5)), name="feedback_rating_one_to_five"
            ),
        ]
        indexes = [
            # The inbox of one deployment or model version, newest first; the feedback of a request.
            models.Index(fields=["deployment", "id"], name="feedback_by_deployment"),
            models.Index(fields=["version_id", "id"], name="feedback_by_version"),
            models.Index(fields=["request_id"], name="feedback_by_request"),
            models.Index(fields=["thumb", "id"], name="feedback_by_thumb"),
            # The inbox by what was said, and what came under one account.
            models.Index(fields=["rating", "id"], name="feedback_by_rating"),
            models.Index(fields=["has_correction", "id"], name="feedback_by_correction"),
            models.Index(fields=["user_id", "id"], name="feedback_by_user"),
            # All that one end user has said.
            models.Index(fields=["person_key"], name="feedback_by_person"),
            # In the order of changes, for the rules of review queues.
            models.Index(fields=["updated_at", "id"], name="feedback_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.deployment or self.model}"


class FeedbackRevision(models.Model):
    """What a piece of feedback said before it was changed."""

    feedback = models.ForeignKey(
        Feedback, on_delete=models.CASCADE, related_name="revisions", verbose_name=_("feedback")
    )
    said = models.JSONField(_("what it said"))
    source = models.CharField(_("source"), max_length=10, choices=Feedback.Source)
    said_at = models.DateTimeField(_("said"))

    class Meta:
        verbose_name = _("earlier feedback")
        verbose_name_plural = _("earlier feedback")
        default_permissions = ()
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.feedback_id} {self.said_at}"
