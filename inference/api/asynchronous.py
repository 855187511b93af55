"""Predictions that are answered later: `POST deployments/<name>/predict-async`, then look, or be told by a webhook."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import Invalid, Unavailable
from common.strict_json import loads
from common.wording import in_words
from guards.limits import Standing, told
from inference.api.bodies import RawJsonParser
from inference.asynchronous import services
from inference.asynchronous.worker import admit, ask_of
from inference.engine import get_engine
from inference.models import AsynchronousPrediction


class LaterSerializer(serializers.Serializer[Any]):
    """Values by input name, and who is to be told."""

    inputs = serializers.DictField()
    webhook = serializers.CharField(required=False, help_text="name of a webhook that is called when it has ended")


class AsynchronousPredictionSerializer(serializers.ModelSerializer[AsynchronousPrediction]):
    """A prediction that is answered later; `result` is what `predict` would have answered."""

    result = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    webhook = serializers.CharField(source="webhook.name", default=None, read_only=True)
    expires_at = serializers.SerializerMethodField()

    class Meta:
        model = AsynchronousPrediction
        fields = (
            "id", "deployment", "state", "created_at", "started_at", "finished_at", "deadline_at", "expires_at",
            "attempts", "webhook", "request_id", "result", "error",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_result(self, prediction: AsynchronousPrediction) -> Any:
        """The answer, null before there is one."""
        return orjson.loads(prediction.result) if prediction.result else None

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {"type": "string"}})
    def get_error(self, prediction: AsynchronousPrediction) -> dict[str, str] | None:
        """Code and message: of the failure, or of what it waits for."""
        if not prediction.error_code:
            return None
        return {"code": prediction.error_code, "message": in_words(prediction.error)}

    @extend_schema_field(OpenApiTypes.DATETIME)
    def get_expires_at(self, prediction: AsynchronousPrediction) -> Any:
        """When it is forgotten, null before it has ended."""
        return prediction.due_at if prediction.is_finished else None


class PredictsLater:
    """The door to an asynchronous prediction, for the view of deployments."""

    @extend_schema(
        request=LaterSerializer,
        responses={202: AsynchronousPredictionSerializer},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
        examples=[OpenApiExample("intent", {"inputs": {"text": ["근처에 갈 만한 식당 알려줘"]}}, request_only=True)],
    )
    @action(detail=True, methods=["post"], url_path="predict-async", parser_classes=[RawJsonParser])
    def predict_async(self, request: Request, name: str) -> Response:
        """Check the inputs now and run them later; `Location` is where to look for the answer."""
        body = request.data
        if not isinstance(body, bytes):
            raise Invalid("the body must be JSON", fields={"inputs": "is missing"})
        webhook = _webhook(loads(body))
        standings = _admit(name, request, body)
        blob = services.store_body(body)
        with self.effect() as kept:  # type: ignore[attr-defined]
            made = services.accept(
                deployment=name,
                caller=request.auth,
                body=body,
                blob=blob,
                webhook=webhook,
                address=request.META.get("REMOTE_ADDR", ""),
            )
            kept.response = _accepted(made)
        get_engine().ring()
        for header, value in told(standings).items():
            kept.response[header] = value
        return kept.response


class AsynchronousPredictionViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AsynchronousPrediction]
):
    """The caller's asynchronous predictions, newest first."""

    queryset = AsynchronousPrediction.objects.select_related("webhook")
    serializer_class = AsynchronousPredictionSerializer
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {"cancel": "inference.predict_deployment"}
    open_to_limited = ("cancel",)

    def get_queryset(self) -> QuerySet[AsynchronousPrediction]:
        """Narrow to the caller's own, and to the deployments that the key is open to."""
        caller = self.request.auth
        own = super().get_queryset().filter(user_id=caller.user_id)
        return own if caller.allowed_models is None else own.filter(deployment__in=caller.allowed_models)

    @extend_schema(request=None, responses=AsynchronousPredictionSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Do without the answer."""
        return Response(self.get_serializer(services.cancel(prediction=self.get_object(), actor=request.user)).data)


def _webhook(body: Any) -> Any:
    name = body.get("webhook") if isinstance(body, dict) else None
    if name is None:
        return None
    if not isinstance(name, str) or len(name) > 100:
        raise Invalid("webhook: must be a name", fields={"webhook": "must be a name"})
    return services.find_webhook(name)


def _admit(name: str, request: Request, body: bytes) -> list[Standing]:
    engine = get_engine()
    ask = ask_of(name, request.auth, body)
    future = asyncio.run_coroutine_threadsafe(admit(engine, ask), engine.loop)
    try:
        return future.result(settings.INFER_DEADLINE_S + 5)
    except TimeoutError as error:
        future.cancel()
        raise Unavailable("the engine does not answer", retry_after_s=1) from error


def _accepted(made: AsynchronousPrediction) -> Response:
    data = AsynchronousPredictionSerializer(made).data
    location = reverse("asynchronousprediction-detail", args=[made.pk])
    return Response(data, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
