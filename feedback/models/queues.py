"""What is to be reviewed, in which order, by how many."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ReviewQueue(models.Model):
    """Items of one deployment that people judge, the rules that fill it, and how it is judged."""

    class Answer(models.TextChoices):
        LABEL = "label", _("one of the labels")
        LABELS = "labels", _("some of the labels")
        TEXT = "text", _("text")
        RATING = "rating", _("1 to 5")

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True)
    guidelines = models.TextField(_("guidelines"), blank=True, help_text=_("shown to reviewers, Markdown"))
    deployment = models.CharField(_("deployment"), max_length=100, blank=True)
    rules = models.JSONField(_("rules that fill it"), default=list, blank=True)
    answer = models.CharField(_("kind of answer"), max_length=10, choices=Answer, default=Answer.LABEL)
    choices = models.JSONField(_("labels"), default=list, blank=True)
    reviewers_per_item = models.PositiveSmallIntegerField(_("reviewers per item"), default=2)
    is_blind = models.BooleanField(_("blind"), default=True, help_text=_("reviewers do not see the model's answer"))
    is_masked = models.BooleanField(
        _("personal data masked"), default=False, db_default=False, help_text=_("in the copies that it keeps")
    )
    golden_percent = models.PositiveSmallIntegerField(_("golden items in percent"), default=5)
    lock_seconds = models.PositiveIntegerField(_("seconds an item is kept for a person"), default=600)
    is_open = models.BooleanField(_("open"), default=True)
    filled_until = models.JSONField(default=dict, editable=False, help_text=_("how far each rule has looked"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("owner"),
    )  # fmt: skip
    reviewers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="review_queues", verbose_name=_("reviewers"),
        help_text=_("nobody for everybody who may review"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("review queue")
        verbose_name_plural = _("review queues")
        ordering = ["name"]
        permissions = [("adjudicate_reviewqueue", _("Can settle what reviewers disagree about"))]
        constraints = [
            models.CheckConstraint(condition=Q(reviewers_per_item__range=(1, 20)), name="feedback_queue_reviewers"),
            models.CheckConstraint(condition=Q(golden_percent__lte=50), name="feedback_queue_golden_percent"),
        ]

    def __str__(self) -> str:
        return self.name


class ReviewItem(models.Model):
    """One thing to judge. Input and output are copies of what was logged."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        AGREED = "agreed", _("agreed")
        DISPUTED = "disputed", _("disputed")
        SETTLED = "settled", _("settled")
        LEFT_OUT = "left_out", _("left out")
        GOLDEN = "golden", _("golden")

    queue = models.ForeignKey(ReviewQueue, on_delete=models.CASCADE, related_name="items", verbose_name=_("queue"))
    source_key = models.CharField(max_length=120, help_text=_("what it was made of, so that it comes once"))
    reason = models.CharField(_("why it is here"), max_length=40)
    request_id = models.UUIDField(_("request"), null=True)
    row = models.PositiveBigIntegerField(_("row"), default=0)
    feedback_id = models.UUIDField(_("feedback"), null=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    version = models.PositiveIntegerField(_("version"), null=True)
    version_id = models.UUIDField(null=True)
    input = models.JSONField(_("input"), default=dict)
    output = models.JSONField(_("output"), default=dict)
    priority = models.SmallIntegerField(_("priority"), default=0)
    shuffle = models.IntegerField(default=0, help_text=_("order among items of one priority"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    reviews_needed = models.PositiveSmallIntegerField(_("reviews needed"))
    reviews_done = models.PositiveSmallIntegerField(_("reviews"), default=0)
    places_taken = models.PositiveSmallIntegerField(default=0, help_text=_("reviews and locks that stand"))
    is_golden = models.BooleanField(_("golden"), default=False)
    final_answer = models.JSONField(_("answer"), null=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("settled by"),
    )  # fmt: skip
    settled_note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("review item")
        verbose_name_plural = _("review items")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["queue", "source_key"], name="feedback_item_once"),
            models.CheckConstraint(
                condition=Q(places_taken__lte=models.F("reviews_needed")), name="feedback_item_no_more_than_needed"
            ),
        ]
        indexes = [
            # The next item of a queue, and its lists by state.
            models.Index(fields=["queue", "state", "-priority", "shuffle", "id"], name="feedback_item_next"),
            models.Index(fields=["request_id"], name="feedback_item_by_request"),
            # What of a queue was decided since a dataset version was made of it.
            models.Index(fields=["queue", "finished_at"], name="feedback_item_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.pk}"


class GoldenAnswer(models.Model):
    """The known right answer of an item that measures reviewers."""

    item = models.OneToOneField(
        ReviewItem, on_delete=models.CASCADE, related_name="golden", primary_key=True, verbose_name=_("item")
    )
    answer = models.JSONField(_("right answer"))
    explanation = models.TextField(_("explanation"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("golden answer")
        verbose_name_plural = _("golden answers")

    def __str__(self) -> str:
        return str(self.item_id)
