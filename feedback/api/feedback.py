"""`/api/v1/feedback`: what people say of answers, with a credential or with a token that came with the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import NotFound
from common.ids import floor_of
from feedback.models import Feedback, FeedbackRevision
from feedback.services.feedback import (
    LONGEST_COMMENT,
    LONGEST_LABEL,
    MOST_LABELS,
    NOTHING,
    Given,
    give_by_token,
    give_feedback,
    person_of_caller,
)
from feedback.services.forgetting import erase_end_user
from feedback.services.importing import begin_import
from feedback.targets import MOST_ROW, find_target
from files.models import StoredFile
from inference import feedback_tokens

_THUMBS = ((1, "up"), (-1, "down"))


class SaidSerializer(serializers.Serializer[Any]):
    """What is said of an answer. Said again, only what is sent changes; null takes it back."""

    thumb = serializers.ChoiceField(choices=_THUMBS, required=False, allow_null=True)
    rating = serializers.IntegerField(min_value=1, max_value=5, required=False, allow_null=True)
    correction = serializers.JSONField(
        required=False, allow_null=True, help_text="the right answer: a label, the value of the output, or an object"
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_LABEL), max_length=MOST_LABELS, required=False
    )
    comment = serializers.CharField(max_length=LONGEST_COMMENT, required=False, allow_blank=True)

    def said(self) -> dict[str, Any]:
        """Give what is said, without what it is said of."""
        return {name: value for name, value in self.validated_data.items() if name in NOTHING}


class NewFeedbackSerializer(SaidSerializer):
    """What is judged: the row of a request, or of a batch run; and what is said."""

    request_id = serializers.UUIDField(required=False)
    batch_run = serializers.UUIDField(required=False)
    row = serializers.IntegerField(min_value=0, max_value=MOST_ROW, required=False, default=0)
    end_user = serializers.CharField(
        max_length=feedback_tokens.MOST_END_USER, required=False, allow_blank=True, default="",
        help_text="your own id of the person who says it; without one it is said by the key itself",
    )  # fmt: skip


class TokenFeedbackSerializer(SaidSerializer):
    """A token, and what is said. The target stands in the token; where it is sent too, it must be the same."""

    token = serializers.CharField(max_length=1024)
    request_id = serializers.UUIDField(required=False)
    row = serializers.IntegerField(min_value=0, max_value=MOST_ROW, required=False)


class TokenAnswerSerializer(serializers.ModelSerializer[Feedback]):
    """What is kept of an end user's words."""

    class Meta:
        model = Feedback
        fields = ("id", "request_id", "row", "thumb", "rating", "correction", "labels", "comment")
        read_only_fields = fields


class RevisionOut(serializers.ModelSerializer[FeedbackRevision]):
    """What was said before it was changed."""

    class Meta:
        model = FeedbackRevision
        fields = ("said", "source", "said_at")
        read_only_fields = fields


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """One person's judgement of one answer. `request` is the address of the call."""

    request = serializers.SerializerMethodField()
    batch_run = serializers.UUIDField(source="batch_run_id", read_only=True, allow_null=True)

    class Meta:
        model = Feedback
        fields = (
            "id", "target", "request_id", "request", "batch_run", "row", "deployment", "model", "version",
            "version_id", "person", "source", "thumb", "rating", "correction", "labels", "comment", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.STR)
    def get_request(self, said: Feedback) -> str | None:
        """The call's own address; null for other targets."""
        return reverse("inferencerequest-detail", args=[said.request_id]) if said.request_id else None


class FeedbackDetailSerializer(FeedbackSerializer):
    """One judgement with what it said before."""

    revisions = RevisionOut(many=True, read_only=True)

    class Meta(FeedbackSerializer.Meta):
        fields = (*FeedbackSerializer.Meta.fields, "revisions")
        read_only_fields = fields


class EraseSerializer(serializers.Serializer[Any]):
    """Whose words go, and why."""

    end_user = serializers.CharField(
        max_length=feedback_tokens.MOST_END_USER, help_text="your own id of the person, as it came with feedback"
    )
    reason = serializers.CharField(max_length=2000, help_text="kept in the audit: do not name the person in it")


class ErasedSerializer(serializers.Serializer[Any]):
    """How many pieces of feedback went."""

    erased = serializers.IntegerField()


class FeedbackFilter(django_filters.FilterSet):
    """What it speaks of, what was said, and when it was first said."""

    batch_run = django_filters.UUIDFilter(field_name="batch_run_id")
    request_id = django_filters.UUIDFilter(field_name="request_id")
    version_id = django_filters.UUIDFilter(field_name="version_id")
    thumb = django_filters.TypedChoiceFilter(choices=_THUMBS, coerce=int)
    has_correction = django_filters.BooleanFilter(method="by_correction")
    since = django_filters.IsoDateTimeFilter(method="from_time")
    until = django_filters.IsoDateTimeFilter(method="to_time")

    class Meta:
        model = Feedback
        fields = ["deployment", "model", "version", "rating", "source", "target"]

    def by_correction(self, rows: QuerySet[Feedback], _name: str, wanted: bool) -> QuerySet[Feedback]:
        """A bare column in WHERE would walk no index."""
        return rows.filter(has_correction__in=[wanted])

    def from_time(self, rows: QuerySet[Feedback], _name: str, moment: datetime) -> QuerySet[Feedback]:
        """Keys hold the time."""
        return rows.filter(pk__gte=floor_of(moment))

    def to_time(self, rows: QuerySet[Feedback], _name: str, moment: datetime) -> QuerySet[Feedback]:
        """Keys hold the time."""
        return rows.filter(pk__lt=floor_of(moment))


class ImportFeedbackSerializer(serializers.Serializer[Any]):
    """A file of yours with a line for each judgement."""

    file = serializers.UUIDField(help_text="CSV or JSON Lines; columns as in POST, and person")


class StartedFeedbackImport(serializers.Serializer[Any]):
    """The job that does it; its result counts the rows and names those set aside."""

    job = serializers.UUIDField()


class FeedbackViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Feedback]):
    """Feedback, newest first; callers without the permission to see all see what came under their own account."""

    queryset = Feedback.objects.all()
    serializer_class = FeedbackSerializer
    filterset_class = FeedbackFilter
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {"import_rows": "feedback.import_feedback", "erase": "feedback.erase_feedback"}
    open_to_limited = ("create",)

    def get_queryset(self) -> QuerySet[Feedback]:
        """Narrow to what the credential may see."""
        rows = Feedback.objects.open_to(self.request.auth)
        return rows.prefetch_related("revisions") if self.action == "retrieve" else rows

    def get_serializer_class(self) -> type[FeedbackSerializer]:
        """Show the earlier words of one, not of many."""
        return FeedbackDetailSerializer if self.action == "retrieve" else FeedbackSerializer

    @extend_schema(request=NewFeedbackSerializer, responses={200: FeedbackSerializer, 201: FeedbackSerializer})
    def create(self, request: Request) -> Response:
        """Say something of an answer, or change what was said: 201 the first time, 200 after that."""
        sent = NewFeedbackSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        judged = find_target(sent.validated_data, caller=request.auth)
        person = person_of_caller(request.auth, sent.validated_data["end_user"])
        given = give_feedback(judged=judged, person=person, source=Feedback.Source.API, said=sent.said())
        location = {"Location": reverse("feedback-detail", args=[given.feedback.pk])}
        return Response(FeedbackSerializer(given.feedback).data, _status(given), headers=location)

    @extend_schema(
        request=TokenFeedbackSerializer,
        responses={200: TokenAnswerSerializer, 201: TokenAnswerSerializer},
        auth=[],
    )
    @action(detail=False, methods=["post"], url_path="by-token", authentication_classes=[], permission_classes=[])
    def by_token(self, request: Request) -> Response:
        """Say something of an answer with the token that came with it; no account is needed."""
        sent = TokenFeedbackSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        reference = {name: sent.validated_data[name] for name in ("request_id", "row") if name in sent.validated_data}
        given = give_by_token(token=sent.validated_data["token"], reference=reference, said=sent.said())
        return Response(TokenAnswerSerializer(given.feedback).data, _status(given))

    @extend_schema(request=ImportFeedbackSerializer, responses={202: StartedFeedbackImport}, filters=False)
    @action(detail=False, methods=["post"], url_path="import")
    def import_rows(self, request: Request) -> Response:
        """Bring in feedback that was gathered elsewhere. Not with a key for some deployments: its job sees all."""
        request.auth.demand_all_models()
        sent = checked(ImportFeedbackSerializer, request)
        own = StoredFile.objects.visible_to(request.auth.user_id).present().select_related("blob")
        file = own.filter(pk=sent["file"]).first()
        if file is None:
            raise NotFound("there is no such file of yours")
        job = begin_import(file=file, actor=request.user)
        location = {"Location": reverse("job-detail", args=[job.pk])}
        return Response({"job": job.pk}, status.HTTP_202_ACCEPTED, headers=location)

    @extend_schema(request=EraseSerializer, responses=ErasedSerializer, filters=False)
    @action(detail=False, methods=["post"])
    def erase(self, request: Request) -> Response:
        """Erase all that an end user has said, at whatever deployment; copies in dataset versions stay."""
        request.auth.demand_all_models()
        return Response({"erased": erase_end_user(actor=request.user, **checked(EraseSerializer, request))})


def _status(given: Given) -> int:
    return status.HTTP_201_CREATED if given.is_new else status.HTTP_200_OK
