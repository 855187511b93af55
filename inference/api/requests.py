"""`/api/v1/requests` and `/api/v1/predictions`: what was asked, what was answered, by which version, how fast."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import Invalid, NotAllowed, NotFound
from common.numbers import whole
from files.models import Blob
from inference import feedback_tokens
from inference.bodies.stored import inputs_of
from inference.log import search as log
from inference.log.cases import signatures_of
from inference.log.criteria import RANGES, read_criteria, read_uuid
from inference.log.downloads import input_file
from inference.models import InferenceRequest, Prediction, limits_of_caller
from inference.withholding import REASON, withheld

PREDICTIONS_SHOWN = 100
_FILTERS = [
    OpenApiParameter("q", str, description="A request id, the beginning of a key, a user name, or words of the input"),
    OpenApiParameter("request_id", OpenApiTypes.UUID),
    OpenApiParameter("user", str, description="User name"),
    OpenApiParameter("key", str, description="The beginning of a key, such as flm_local_ab12"),
    OpenApiParameter("deployment", str),
    OpenApiParameter("model", str),
    OpenApiParameter("version", int),
    OpenApiParameter("status", str, description="A number, 2xx, 4xx, 5xx or errors"),
    OpenApiParameter("error", str, description="Error code"),
    OpenApiParameter("slower_than_ms", float),
    OpenApiParameter("words", str, description="Words that the input holds"),
    OpenApiParameter("range", str, enum=list(RANGES), description="24h, or any for one call or caller, if left out"),
    OpenApiParameter("since", OpenApiTypes.DATETIME),
    OpenApiParameter("until", OpenApiTypes.DATETIME),
    OpenApiParameter("cursor", OpenApiTypes.UUID, description="From `next` of the page before"),
    OpenApiParameter("page_size", int, description="1 to 200"),
]


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    """The output for one row of a request."""

    request_id = serializers.UUIDField(read_only=True)
    output = serializers.SerializerMethodField()

    class Meta:
        model = Prediction
        fields = ("id", "request_id", "row", "label", "score", "output")
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_output(self, prediction: Prediction) -> Any:
        """Values by output name."""
        return orjson.loads(prediction.output)


class RequestSerializer(serializers.ModelSerializer[InferenceRequest]):
    """One call of a deployment, without what may be long."""

    class Meta:
        model = InferenceRequest
        fields = (
            "id", "created_at", "deployment", "model", "version", "version_id", "user_id", "key_id", "caller", "door",
            "status", "error_code", "rows", "latency_ms", "queue_ms", "run_ms", "client_request_id", "trace_id",
            "address",
        )  # fmt: skip
        read_only_fields = fields


class RequestDetailSerializer(RequestSerializer):
    """One call with its input and the predictions of its first rows."""

    feedback = serializers.SerializerMethodField()
    inputs = serializers.SerializerMethodField()
    predictions = serializers.SerializerMethodField()
    withheld = serializers.SerializerMethodField()
    _is_withheld = False

    class Meta(RequestSerializer.Meta):
        fields = (
            *RequestSerializer.Meta.fields, "error", "feedback", "inputs", "input_blob", "predictions", "withheld",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "string", "format": "uri-reference"})
    def get_feedback(self, row: InferenceRequest) -> str:
        """Where what people said of it is listed."""
        return f"{reverse('feedback-list')}?{urlencode({'request_id': row.pk})}"

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_inputs(self, row: InferenceRequest) -> dict[str, Any] | None:
        """Values by input name; null for an input kept as a blob, which `/input` gives."""
        return None if row.input_blob else inputs_of(row.input, signatures_of([row]).get(row.version_id))

    @extend_schema_field(PredictionSerializer(many=True))
    def get_predictions(self, row: InferenceRequest) -> Any:
        """Those of the first rows; `/predictions` gives all. None while they are withheld."""
        if self._is_withheld:
            return []
        return PredictionSerializer(log.predictions_of(row.pk, size=PREDICTIONS_SHOWN), many=True).data

    @extend_schema_field({"type": "string", "nullable": True})
    def get_withheld(self, row: InferenceRequest) -> str | None:
        """Why the answer is not shown to you, null where it is."""
        return str(REASON) if self._is_withheld else None

    def to_representation(self, row: InferenceRequest) -> dict[str, Any]:
        """Ask once whether the answer is kept back."""
        self._is_withheld = bool(withheld(self.context["request"].auth, [row.pk]))
        return super().to_representation(row)


class FeedbackTokenInSerializer(serializers.Serializer[Any]):
    """Which row is to be judged, and by whom, if it is known."""

    row = serializers.IntegerField(min_value=0, max_value=feedback_tokens.MOST_ROW, required=False, default=0)
    end_user = serializers.CharField(
        max_length=feedback_tokens.MOST_END_USER, required=False, allow_blank=True, default="",
        help_text="your own id of the person: judging again changes what they said",
    )  # fmt: skip


class FeedbackTokenSerializer(serializers.Serializer[Any]):
    """A token, shown once, and when it ends."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


@extend_schema_serializer(many=False)
class LogPageSerializer(serializers.Serializer[Any]):
    """A page. `searched_to` says how far back was looked where the page ended early; `next` goes on from there."""

    results = RequestSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    searched_to = serializers.DateTimeField(allow_null=True)


class RequestViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[InferenceRequest]):
    """The request log, newest first; callers without the permission to see all see their own calls."""

    queryset = InferenceRequest.objects.all()
    serializer_class = RequestDetailSerializer
    filter_backends: list[Any] = []
    pagination_class = None
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {
        "predictions": "inference.view_prediction",
        "input": "inference.view_inferencerequest",
        "feedback_token": "feedback.add_feedback",
    }
    open_to_limited = ("feedback_token",)

    def get_queryset(self) -> QuerySet[InferenceRequest]:
        """Narrow to what the credential may see."""
        return visible_to(self.request)

    @extend_schema(parameters=_FILTERS, responses=LogPageSerializer)
    def list(self, request: Request) -> Response:
        """Search the request log."""
        params = request.query_params
        criteria = read_criteria(params.dict())
        cursor = read_uuid(params["cursor"], "cursor") if params.get("cursor") else None
        page = log.search(criteria, limits=limits_of_caller(request.auth), cursor=cursor, size=_page_size(request))
        return Response(
            {
                "results": RequestSerializer(page.rows, many=True).data,
                "next": _next_address(request, page),
                "searched_to": page.searched_to,
            }
        )

    @extend_schema(
        parameters=[OpenApiParameter("after", int, description="Give the rows after this one"), _FILTERS[-1]],
        responses=PredictionSerializer(many=True),
    )
    @action(detail=True, pagination_class=None)
    def predictions(self, request: Request, pk: str) -> Response:
        """Give the predictions of a request in the order of its rows."""
        after = request.query_params.get("after", "-1")
        if not after.removeprefix("-").isdecimal() or len(after) > 9:
            raise Invalid("after must be the number of a row", fields={"after": "must be a whole number"})
        call = self.get_object()
        demand_shown(request, call.pk)
        rows = log.predictions_of(call.pk, after=int(after), size=_page_size(request))
        return Response(PredictionSerializer(rows, many=True).data)

    @extend_schema(
        responses={
            (200, "application/json"): OpenApiTypes.BINARY,
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
        }
    )
    @action(detail=True)
    def input(self, request: Request, pk: str) -> FileResponse:
        """Give a body that was too large for the row, as it was sent."""
        blob = Blob.objects.filter(sha256=self.get_object().input_blob).first()
        if blob is None:
            raise NotFound("the input of this request is not kept as a file; it is in the request itself")
        return input_file(blob, pk)

    @extend_schema(request=FeedbackTokenInSerializer, responses={201: FeedbackTokenSerializer})
    @action(detail=True, methods=["post"], url_path="feedback-token")
    def feedback_token(self, request: Request, pk: str) -> Response:
        """Give a token with which somebody without an account can judge one row, at /api/v1/feedback/by-token."""
        sent = checked(FeedbackTokenInSerializer, request)
        row, end_user = sent["row"], feedback_tokens.end_user_name(sent["end_user"])
        call = self.get_object()
        if row >= call.rows:
            raise Invalid("the request has no such row", fields={"row": f"must be below {call.rows}"})
        token, until = feedback_tokens.issue(request_id=call.pk, row=row, end_user=end_user)
        told = {"token": token, "expires_at": datetime.fromtimestamp(until, UTC)}
        return Response(FeedbackTokenSerializer(told).data, status=201)


class PredictionViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[Prediction]):
    """Single predictions by id."""

    queryset = Prediction.objects.all()
    serializer_class = PredictionSerializer
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"

    def get_object(self) -> Prediction:
        """Give a prediction of a request that the credential may see. Raises NotFound."""
        prediction = super().get_object()
        if not visible_to(self.request).filter(pk=prediction.request_id).exists():
            raise NotFound("there is no such prediction")
        demand_shown(self.request, prediction.request_id)
        return prediction


def visible_to(request: Request) -> QuerySet[InferenceRequest]:
    """Give the requests that a credential may see."""
    return InferenceRequest.objects.open_to(request.auth)


def demand_shown(request: Request, call: UUID) -> None:
    """Raise NotAllowed while the answer of a call is kept back from the caller."""
    if withheld(request.auth, [call]):
        raise NotAllowed(str(REASON), code="answer_withheld")


def _page_size(request: Request) -> int:
    given = request.query_params.get("page_size", "50")
    size = whole(given, least=1, most=200)
    if size is None:
        raise Invalid("the page size must be 1 to 200", fields={"page_size": "must be 1 to 200"})
    return size


def _next_address(request: Request, page: log.Page) -> str | None:
    if page.cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = str(page.cursor)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
