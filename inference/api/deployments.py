"""`/api/v1/deployments`: what is served, choosing the version, and the friendly door to a prediction."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.context import origin
from common.errors import Invalid, NotFound
from common.names import composed
from common.strict_json import loads
from inference import feedback_tokens, services
from inference.api.asynchronous import PredictsLater
from inference.api.bodies import RawJsonParser
from inference.api.limited import OfOneDeployment
from inference.api.manifests import WritesManifest
from inference.asked import Ask
from inference.bodies import payload
from inference.bodies.friendly import friendly_answer
from inference.engine import predict_sync
from inference.models import Deployment, InferenceRequest
from registry.models import ModelVersion


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """A deployment and the version that it is meant to serve."""

    model = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields = ("name", "description", "is_enabled", "model", "version", "state", "created_at", "updated_at")
        read_only_fields = fields

    def get_model(self, deployment: Deployment) -> str | None:
        """Name of the model that serves."""
        route = self._route(deployment)
        return route.version.model.name if route else None

    def get_version(self, deployment: Deployment) -> int | None:
        """Number of the version that serves."""
        route = self._route(deployment)
        return route.version.number if route else None

    def get_state(self, deployment: Deployment) -> str:
        """`ready`, `starting`, `failed`, or `none` before a version was chosen."""
        route = self._route(deployment)
        if route is None:
            return "none"
        runner = getattr(route.version, "runner", None)
        return runner.state if runner else "starting"

    @staticmethod
    def _route(deployment: Deployment) -> Any:
        live = [route for route in deployment.routes.all() if route.kind == "live"]
        return max(live, key=lambda route: (route.weight, route.pk), default=None)


class DeploySerializer(serializers.Serializer[Any]):
    """Which version a deployment shall serve."""

    name = serializers.CharField(max_length=100)
    model = serializers.CharField(max_length=100)
    version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    revision = serializers.IntegerField(required=False, min_value=0, help_text="the change that the caller saw last")


class ReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class DescribeSerializer(ReasonSerializer):
    """What a deployment is for."""

    description = serializers.CharField(allow_blank=True, max_length=2000)


class PredictSerializer(serializers.Serializer[Any]):
    """Values by input name; nesting gives the shape."""

    inputs = serializers.DictField()


class TimingSerializer(serializers.Serializer[Any]):
    """Milliseconds spent up to the commit."""

    parse_ms = serializers.FloatField()
    queue_ms = serializers.FloatField()
    model_ms = serializers.FloatField()
    total_ms = serializers.FloatField()


class PredictionAnswerSerializer(serializers.Serializer[Any]):
    """Outputs by name, and who answered."""

    outputs = serializers.DictField()
    deployment = serializers.CharField()
    model = serializers.CharField()
    version = serializers.IntegerField()
    request_id = serializers.UUIDField()
    timing = TimingSerializer()


class DeploymentViewSet(
    PredictsLater, WritesManifest, mixins.ListModelMixin, mixins.RetrieveModelMixin, OfOneDeployment
):
    """Deployments by name."""

    queryset = Deployment.objects.prefetch_related("routes__version__model", "routes__version__runner")
    serializer_class = DeploymentSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    permission_map = {
        "create": "inference.deploy_deployment",
        "partial_update": "inference.deploy_deployment",
        "enable": "inference.disable_deployment",
        "disable": "inference.disable_deployment",
        "destroy": "inference.disable_deployment",
        "predict": "inference.predict_deployment",
        "predict_async": "inference.predict_deployment",
        "manifest": "inference.view_route",
    }
    own_keys = ("predict",)
    slow_actions = ("predict_async",)

    def get_queryset(self) -> QuerySet[Deployment]:
        """Narrow to what the caller's key is open to."""
        found, allowed = super().get_queryset(), getattr(getattr(self.request, "auth", None), "allowed_models", None)
        return found if allowed is None else found.filter(name__in=allowed)

    @extend_schema(request=DeploySerializer, responses=DeploymentSerializer)
    def create(self, request: Request) -> Response:
        """Let a version answer for a deployment, which is made if there is none.

        With `revision` refused with 409 and `changed_meanwhile` where its traffic has changed since.
        """
        data = checked(DeploySerializer, request)
        request.auth.demand_model(composed(data["name"]))
        version = ModelVersion.objects.filter(model__name=composed(data["model"]), number=data["version"]).first()
        if version is None:
            raise NotFound(f"there is no version {data['version']} of a model '{data['model']}'")
        given = {"reason": data.get("reason", ""), "revision": data.get("revision")}
        deployment = services.deploy(name=data["name"], version=version, actor=request.user, **given)
        return Response(self.get_serializer(self.get_queryset().get(pk=deployment.pk)).data)

    @extend_schema(request=ReasonSerializer, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, name: str) -> Response:
        """Put a deployment back into service."""
        return self._switch(request, True)

    @extend_schema(request=ReasonSerializer, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, name: str) -> Response:
        """Take a deployment out of service."""
        return self._switch(request, False)

    @extend_schema(request=DescribeSerializer, responses=DeploymentSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change what is said of a deployment."""
        data = checked(DescribeSerializer, request)
        changed = services.update_deployment(deployment=self.get_object(), actor=request.user, **data)
        return Response(self.get_serializer(self.get_queryset().get(pk=changed.pk)).data)

    def destroy(self, request: Request, name: str) -> Response:
        """Remove a deployment that is out of service; its requests stay."""
        services.delete_deployment(deployment=self.get_object(), actor=request.user)
        return Response(status=204)

    @extend_schema(
        request=PredictSerializer,
        responses=PredictionAnswerSerializer,
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER),
            OpenApiParameter(
                "X-Flueman-Route-Key",
                str,
                OpenApiParameter.HEADER,
                description="Calls with the same key are answered by the same version while shares stay as they are.",
            ),
            OpenApiParameter(
                feedback_tokens.WISH,
                str,
                OpenApiParameter.HEADER,
                description=f"`token`, or `token; end-user=ID`: the answer's header {feedback_tokens.ANSWER} then lets "
                "somebody without an account judge its first row at /api/v1/feedback/by-token.",
            ),
        ],
        examples=[OpenApiExample("intent", {"inputs": {"text": ["근처에 갈 만한 식당 알려줘"]}}, request_only=True)],
    )
    @action(detail=True, methods=["post"], parser_classes=[RawJsonParser])
    def predict(self, request: Request, name: str) -> HttpResponse:
        """Run the deployment's version on the inputs; request and predictions are kept before the answer leaves."""
        received = perf_counter()
        body = request.data
        if not isinstance(body, bytes):
            raise Invalid("the body must be JSON", fields={"inputs": "is missing"})
        wish = request.headers.get(feedback_tokens.WISH)
        end_user = None if wish is None else feedback_tokens.wish(wish)
        ask = Ask(
            deployment=name,
            caller=request.auth,
            door=InferenceRequest.Door.API.value,
            body=body,
            received=received,
            read=lambda signature: payload.read_friendly(loads(body), signature),
            render=partial(friendly_answer, name),
            route_key=request.headers.get("X-Flueman-Route-Key", ""),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            address=request.META.get("REMOTE_ADDR", ""),
            **_ids(request),
        )
        answer = predict_sync(ask)
        response = HttpResponse(answer.body, content_type="application/json", headers=answer.limits)
        if answer.is_replay:
            response["Idempotency-Replayed"] = "true"
        elif end_user is not None:
            token, _until = feedback_tokens.issue(request_id=UUID(answer.request_id), end_user=end_user)
            response[feedback_tokens.ANSWER] = token
        return response

    def _switch(self, request: Request, enabled: bool) -> Response:
        sent = checked(ReasonSerializer, request)
        deployment = services.set_enabled(
            deployment=self.get_object(),
            enabled=enabled,
            actor=request.user,
            reason=sent.get("reason", ""),
        )
        return Response(self.get_serializer(self.get_queryset().get(pk=deployment.pk)).data)


def _ids(request: Request) -> dict[str, str]:
    """Let the log find a call by the id that every answer to it bears, an error too."""
    told = origin.get().request_id
    is_callers_own = request.headers.get("X-Request-ID") == told
    return {"client_id": told} if is_callers_own else {"id": UUID(told).hex}
