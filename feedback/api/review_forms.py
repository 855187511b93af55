"""What review takes and gives over REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from feedback.answers import MOST_CHOICES, MOST_LABEL
from feedback.handles import handle_of
from feedback.models import Review, ReviewItem, ReviewQueue
from feedback.rules.base import PRIORITIES
from feedback.services.queues import LOCK_SECONDS, MOST_WORDS
from feedback.services.reviewing import MOST_NOTE, MOST_REASON
from feedback.sight import is_hidden, is_nameless, knows_golden

MOST_ITEMS = 1000
_NAMES = {"many": True, "slug_field": "username", "read_only": True}


class QueueSerializer(serializers.ModelSerializer[ReviewQueue]):
    """A queue and its rules. Without named reviewers it is for everybody who may review."""

    owner = serializers.CharField(source="owner.username", default=None, read_only=True)
    reviewers = serializers.SlugRelatedField(**_NAMES)
    rules = serializers.ListField(child=serializers.DictField(), read_only=True)
    choices = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ReviewQueue
        fields = (
            "name", "description", "guidelines", "deployment", "answer", "choices", "rules", "reviewers_per_item",
            "is_blind", "is_masked", "golden_percent", "lock_seconds", "is_open", "owner", "reviewers", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class QueueChangeSerializer(serializers.Serializer[Any]):
    """What may change; what is left out stays. How many review an item holds for items to come."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=MOST_WORDS)
    guidelines = serializers.CharField(required=False, allow_blank=True, max_length=MOST_WORDS)
    deployment = serializers.CharField(required=False, allow_blank=True, max_length=100)
    answer = serializers.ChoiceField(ReviewQueue.Answer.choices, required=False)
    choices = serializers.ListField(
        child=serializers.CharField(max_length=MOST_LABEL), required=False, max_length=MOST_CHOICES
    )
    rules = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="each with its `kind` and its numbers"
    )
    reviewers_per_item = serializers.IntegerField(min_value=1, max_value=20, required=False)
    is_blind = serializers.BooleanField(required=False)
    is_masked = serializers.BooleanField(required=False)
    golden_percent = serializers.IntegerField(min_value=0, max_value=50, required=False)
    lock_seconds = serializers.IntegerField(min_value=LOCK_SECONDS[0], max_value=LOCK_SECONDS[1], required=False)
    owner = serializers.CharField(max_length=150, required=False, help_text="user name")
    reviewers = serializers.ListField(
        child=serializers.CharField(max_length=150), required=False, max_length=1000, help_text="user names"
    )


class NewQueueSerializer(QueueChangeSerializer):
    """A queue to make."""

    name = serializers.CharField(max_length=100)


class ReviewReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class RuleSerializer(serializers.Serializer[Any]):
    """A rule: its kind, and its numbers."""

    kind = serializers.CharField(max_length=40)
    values = serializers.DictField(required=False, default=dict)


class PreviewAnswerSerializer(serializers.Serializer[Any]):
    """Found of how many looked at; not `is_whole` where time ran out."""

    found = serializers.IntegerField()
    looked = serializers.IntegerField()
    is_whole = serializers.BooleanField()


class SourceSerializer(serializers.Serializer[Any]):
    """A row of a logged call."""

    request_id = serializers.UUIDField()
    row = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False, default=0)


class ItemsSerializer(serializers.Serializer[Any]):
    """Rows of calls to review."""

    items = serializers.ListField(child=SourceSerializer(), max_length=MOST_ITEMS)
    priority = serializers.IntegerField(
        min_value=PRIORITIES[0], max_value=PRIORITIES[1], required=False, default=PRIORITIES[1] // 10
    )


class AddedItemsSerializer(serializers.Serializer[Any]):
    """How many are new in the queue."""

    added = serializers.IntegerField()


class NextItemSerializer(serializers.ModelSerializer[ReviewItem]):
    """An item before its reviewer, kept until `expires_at`. `output` is null in a blind queue."""

    id = serializers.SerializerMethodField()
    queue = serializers.CharField(source="queue.name", read_only=True)
    answer = serializers.CharField(source="queue.answer", read_only=True, help_text="the kind of answer")
    choices = serializers.ListField(source="queue.choices", child=serializers.CharField(), read_only=True)
    output = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()

    class Meta:
        model = ReviewItem
        fields = ("id", "queue", "answer", "choices", "input", "output", "expires_at")
        read_only_fields = fields

    def get_id(self, item: ReviewItem) -> str:
        """The item's handle, which tells nothing of when it was made."""
        return handle_of(item.pk)

    @extend_schema_field({"type": "object", "nullable": True})
    def get_output(self, item: ReviewItem) -> Any:
        """What the model answered, where one may see it."""
        return None if is_hidden(item, self.context["onlooker"]) else item.output

    @extend_schema_field(OpenApiTypes.DATETIME)
    def get_expires_at(self, item: ReviewItem) -> Any:
        """The end of the time for which it is kept."""
        return self.context["lock"].expires_at


class ItemSerializer(serializers.ModelSerializer[ReviewItem]):
    """An item and what became of it. What could sway somebody who has yet to judge it is null for them."""

    id = serializers.SerializerMethodField()
    queue = serializers.CharField(source="queue.name", read_only=True)
    state = serializers.SerializerMethodField()
    settled_by = serializers.CharField(source="settled_by.username", default=None, read_only=True)

    class Meta:
        model = ReviewItem
        fields = (
            "id", "queue", "state", "reason", "request_id", "row", "feedback_id", "model", "version", "version_id",
            "input", "output", "priority", "reviews_needed", "reviews_done", "final_answer", "settled_by",
            "settled_note", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    _SWAYING = (
        "reason", "request_id", "feedback_id", "model", "version", "version_id", "output", "priority", "reviews_done",
    )  # fmt: skip
    _GOLDEN = ("reason", "request_id", "priority", "reviews_needed", "reviews_done", "created_at")

    def to_representation(self, item: ReviewItem) -> dict[str, Any]:
        """Leave out what this onlooker is not to see yet."""
        told, onlooker = super().to_representation(item), self.context["onlooker"]
        hidden = self._SWAYING if is_hidden(item, onlooker) else ()
        if not knows_golden(onlooker):
            hidden = (*hidden, *self._GOLDEN)
        return {name: None if name in hidden else value for name, value in told.items()}

    def get_id(self, item: ReviewItem) -> str:
        """The item's handle."""
        return handle_of(item.pk)

    def get_state(self, item: ReviewItem) -> str:
        """Waiting, agreed, disputed, settled, left_out; golden only for those who may know."""
        is_secret = item.state == ReviewItem.State.GOLDEN and not knows_golden(self.context["onlooker"])
        return str(ReviewItem.State.WAITING) if is_secret else item.state


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """What one person said of one item; who it was is null to others until a blind queue has decided the item."""

    item = serializers.SerializerMethodField()
    queue = serializers.CharField(source="item.queue.name", read_only=True)
    reviewer = serializers.SerializerMethodField()
    is_right = serializers.SerializerMethodField()

    class Meta:
        model = Review
        fields = (
            "id", "queue", "item", "reviewer", "state", "answer", "skip_reason", "note", "is_flagged", "is_right",
            "seconds", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_item(self, review: Review) -> str:
        """The item's handle."""
        return handle_of(review.item_id)

    def get_reviewer(self, review: Review) -> str | None:
        """Who said it, where one may know."""
        return None if is_nameless(review, self.context["onlooker"]) else review.reviewer_name

    def get_is_right(self, review: Review) -> bool | None:
        """Of golden items, for those who may know which these are."""
        return review.is_right if knows_golden(self.context["onlooker"]) else None


class AnswerSerializer(serializers.Serializer[Any]):
    """An answer of the queue's kind: a label, a list of labels, a text, or 1 to 5."""

    answer = serializers.JSONField()
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE, default="")
    is_flagged = serializers.BooleanField(required=False, default=False)


class SettlementSerializer(serializers.Serializer[Any]):
    """The answer that holds, and why."""

    answer = serializers.JSONField()
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE, default="")


class GoldenSerializer(serializers.Serializer[Any]):
    """The right answer, without one the item's own, and what explains it."""

    answer = serializers.JSONField(required=False, default=None)
    explanation = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE, default="")


class SkipSerializer(serializers.Serializer[Any]):
    """Why it is left to others."""

    reason = serializers.CharField(max_length=MOST_REASON)
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE, default="")


class UndoSerializer(serializers.Serializer[Any]):
    """Which review is taken back."""

    review = serializers.UUIDField(help_text="its id, as the answer to `review` or `skip` told it")


class FlagSerializer(serializers.Serializer[Any]):
    """A mark on one's own review, for somebody to look at."""

    is_flagged = serializers.BooleanField(required=False, default=True)
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE)


class HandOverSerializer(ReviewReasonSerializer):
    """Before whom the item is; `to` is who gets it instead."""

    reviewer = serializers.CharField(max_length=150)
    to = serializers.CharField(max_length=150, required=False, help_text="without one it goes back to the queue")


class AgreementSerializer(serializers.Serializer[Any]):
    """How far reviewers agree; null where there is too little. `low` and `high` are the 95 % interval of alpha."""

    raw = serializers.FloatField(allow_null=True)
    alpha = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    fleiss = serializers.FloatField(allow_null=True)
    cohen = serializers.FloatField(allow_null=True)
    strength = serializers.CharField(help_text="poor, slight, fair, moderate, substantial, almost_perfect")
    level = serializers.CharField()
    reviews = serializers.IntegerField()
    is_whole = serializers.BooleanField()


class QueueFiguresSerializer(serializers.Serializer[Any]):
    """Items by state, reviews, and agreement."""

    items = serializers.DictField(child=serializers.IntegerField())
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    reviews = serializers.IntegerField()
    skipped = serializers.IntegerField()
    agreement = AgreementSerializer()
    median_seconds = serializers.FloatField(allow_null=True)
    per_day = serializers.SerializerMethodField()

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_per_day(self, figures: Any) -> dict[str, int]:
        """Reviews by day, of the newest."""
        return {day.isoformat(): count for day, count in figures.per_day}


class ReviewerFiguresSerializer(serializers.Serializer[Any]):
    """What one person did."""

    name = serializers.CharField()
    done = serializers.IntegerField()
    skipped = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    golden_right = serializers.IntegerField()
    golden = serializers.IntegerField()
    with_majority = serializers.IntegerField()
    majority = serializers.IntegerField()
    last_at = serializers.DateTimeField(allow_null=True)


class QueueStatisticsSerializer(serializers.Serializer[Any]):
    """How a queue goes, and its reviewers."""

    queue = QueueFiguresSerializer()
    reviewers = ReviewerFiguresSerializer(many=True)
