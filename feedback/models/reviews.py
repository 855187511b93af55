"""Who judges which item now, and what was judged."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from feedback.models.queues import ReviewItem, ReviewQueue


class ReviewLock(models.Model):
    """An item that is before a person; it holds one of the item's places until it ends or runs out."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="locks", verbose_name=_("item"))
    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="+", verbose_name=_("queue"))
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("reviewer")
    )
    opened_at = models.DateTimeField(_("opened"))
    expires_at = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("item under review")
        verbose_name_plural = _("items under review")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["item", "reviewer"], name="feedback_lock_one_per_person"),
            models.UniqueConstraint(fields=["queue", "reviewer"], name="feedback_lock_one_at_a_time"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="feedback_lock_by_end")]

    def __str__(self) -> str:
        return f"{self.item_id} {self.reviewer_id}"


class Review(models.Model):
    """What one person said of one item; one that was skipped or undone stays as a row and does not count."""

    class State(models.TextChoices):
        COUNTS = "counts", _("counts")
        SKIPPED = "skipped", _("skipped")
        UNDONE = "undone", _("undone")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="reviews", verbose_name=_("item"))
    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="+", verbose_name=_("queue"))
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("reviewer")
    )
    reviewer_name = models.CharField(max_length=150)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.COUNTS)
    answer = models.JSONField(_("answer"), null=True)
    answer_key = models.CharField(max_length=200, blank=True, help_text=_("the answer in one form, to compare"))
    skip_reason = models.CharField(_("why it was skipped"), max_length=200, blank=True)
    note = models.TextField(_("note"), blank=True)
    is_flagged = models.BooleanField(_("flagged"), default=False)
    is_right = models.BooleanField(_("right"), null=True, help_text=_("for golden items"))
    seconds = models.FloatField(_("seconds"), help_text=_("from opening to answer"))
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(state="counts") | Q(answer__isnull=False), name="feedback_review_says")
        ]
        indexes = [
            models.Index(fields=["item", "reviewer"], name="feedback_review_by_item"),
            # A reviewer's last ones (undo), speed and golden results.
            models.Index(fields=["queue", "reviewer", "id"], name="feedback_review_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer_name}: {self.answer_key}"
