"""`/api/v1/deployments/{name}/…`: who gets how much, canaries, shadows, promotion, roll-back, and how it changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import Invalid, NotFound
from common.names import composed
from inference import services
from inference.api.limited import OfOneDeployment
from inference.api.traffic_forms import (
    CanarySerializer,
    PickSerializer,
    RevisionSerializer,
    RollbackSerializer,
    RoutesSerializer,
    ShadowResultSerializer,
    ShadowSerializer,
    StandingSerializer,
    WeightsSerializer,
)
from inference.models import Deployment, Revision, Route, ShadowResult
from inference.services.routing import last_number
from inference.traffic.judging import Guard
from inference.withholding import withheld
from registry.models import ModelVersion

MAY = "inference.deploy_deployment"


class TrafficViewSet(OfOneDeployment):
    """What each version of a deployment gets. Every verb answers with the routes as they are then.

    `revision` in a body is the number of the change that the caller saw last; if another was made since, the call is
    refused with 409 and the code `changed_meanwhile`.
    """

    queryset = Deployment.objects.all()
    serializer_class = RoutesSerializer
    pagination_class = None
    permission_map = {
        "routes": "inference.view_route",
        "set_weights": MAY,
        "canary": "inference.view_route",
        "start_canary": MAY,
        "start_shadow": MAY,
        "promote": MAY,
        "end": MAY,
        "rollback": MAY,
    }

    @extend_schema(responses=RoutesSerializer)
    @action(detail=False)
    def routes(self, request: Request, name: str) -> Response:
        """Give the routes: live versions, canary, shadows, and what only serves until another has loaded (weight 0)."""
        return self._told(self._deployment())

    @extend_schema(
        request=WeightsSerializer,
        responses=RoutesSerializer,
        examples=[OpenApiExample("two", {"weights": [{"version": 7, "weight": 80}, {"version": 8, "weight": 20}]})],
    )
    @routes.mapping.put
    def set_weights(self, request: Request, name: str) -> Response:
        """Give versions their percent of the calls; together they are 100. Versions that are left out end."""
        deployment, data = self._deployment(), checked(WeightsSerializer, request)
        weights = {self._version(deployment, one).pk: one["weight"] for one in data.pop("weights")}
        services.set_weights(deployment=deployment, weights=weights, actor=request.user, **data)
        return self._told(deployment)

    @extend_schema(responses=StandingSerializer)
    @action(detail=False)
    def canary(self, request: Request, name: str) -> Response:
        """Give the canary with the verdict on it so far. 404 where there is none."""
        route = self._deployment().routes.filter(kind=Route.Kind.CANARY).select_related("version__model").first()
        if route is None:
            raise NotFound(f"deployment '{name}' has no canary")
        return Response(StandingSerializer({"route": route, "verdict": asdict(services.canary_standing(route))}).data)

    @extend_schema(
        request=CanarySerializer,
        responses=RoutesSerializer,
        examples=[OpenApiExample("five", {"version": 8, "weight": 5, "guard": {"steps": [25, 50, 100]}})],
    )
    @canary.mapping.post
    def start_canary(self, request: Request, name: str) -> Response:
        """Give a new version a share of the calls, and stop it by itself where it does harm."""
        deployment, data = self._deployment(), checked(CanarySerializer, request)
        given = data.pop("guard", None)
        guard = None if given is None else Guard.from_dict(given)
        version = self._version(deployment, data)
        services.start_canary(deployment=deployment, version=version, guard=guard, actor=request.user, **data)
        return self._told(deployment)

    @extend_schema(
        request=ShadowSerializer,
        responses=RoutesSerializer,
        examples=[OpenApiExample("ten", {"version": 9, "share_percent": 10})],
    )
    @action(detail=False, methods=["post"], url_path="shadow")
    def start_shadow(self, request: Request, name: str) -> Response:
        """Send a version copies of a share of the calls; its answers are compared and reach nobody."""
        return self._act(request, services.start_shadow, ShadowSerializer)

    @extend_schema(request=PickSerializer, responses=RoutesSerializer)
    @action(detail=False, methods=["post"])
    def promote(self, request: Request, name: str) -> Response:
        """Let a version that is canary, shadow or one of several live ones answer alone."""
        return self._act(request, services.promote, PickSerializer)

    @extend_schema(request=PickSerializer, responses=RoutesSerializer)
    @action(detail=False, methods=["post"])
    def end(self, request: Request, name: str) -> Response:
        """End a canary or a shadow; what it is answering is answered."""
        deployment, data = self._deployment(), checked(PickSerializer, request)
        tried = deployment.routes.filter(version=self._version(deployment, data)).exclude(kind=Route.Kind.LIVE)
        services.end_route(route=get_object_or_404(tried), actor=request.user, **data)
        return self._told(deployment)

    @extend_schema(request=RollbackSerializer, responses=RoutesSerializer)
    @action(detail=False, methods=["post"])
    def rollback(self, request: Request, name: str) -> Response:
        """Give the live versions the shares that they had before, or after the change `to`; canary and shadows end."""
        deployment, data = self._deployment(), checked(RollbackSerializer, request)
        number = data.pop("to", None)
        to = None if number is None else get_object_or_404(deployment.revisions, number=number)
        services.rollback(deployment=deployment, to=to, actor=request.user, **data)
        return self._told(deployment)

    def _act(self, request: Request, verb: Any, serializer: type[Any]) -> Response:
        deployment, data = self._deployment(), checked(serializer, request)
        verb(deployment=deployment, version=self._version(deployment, data), actor=request.user, **data)
        return self._told(deployment)

    def _deployment(self) -> Deployment:
        return get_object_or_404(self.get_queryset(), name=composed(self.kwargs["name"]))

    @staticmethod
    def _version(deployment: Deployment, data: dict[str, Any]) -> ModelVersion:
        """Take model and version out of what was asked for, and find them. Raises NotFound."""
        live = services.live_version(deployment)
        model = composed(data.pop("model", "") or (live.model.name if live else deployment.name))
        number = data.pop("version")
        version = ModelVersion.objects.filter(model__name=model, number=number).first()
        if version is None:
            raise NotFound(f"there is no version {number} of a model '{model}'")
        return version

    @staticmethod
    def _told(deployment: Deployment) -> Response:
        routes = deployment.routes.select_related("version__model", "version__runner").order_by(
            "kind", "-weight", "-id"
        )
        said = {"deployment": deployment.name, "revision": last_number(deployment), "routes": routes}
        return Response(RoutesSerializer(said).data)


class RevisionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OfOneDeployment):
    """How the routes of a deployment changed, newest first."""

    queryset = Revision.objects.select_related("user")
    serializer_class = RevisionSerializer
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"
    keyset = "-number"

    def get_queryset(self) -> QuerySet[Revision]:
        """Narrow to the deployment of the address."""
        return super().get_queryset().filter(deployment__name=composed(self.kwargs.get("name", "")))


class ShadowResultViewSet(mixins.ListModelMixin, OfOneDeployment):
    """What shadows of a deployment answered to copies of calls, newest first."""

    queryset = ShadowResult.objects.all()
    serializer_class = ShadowResultSerializer

    def get_queryset(self) -> QuerySet[ShadowResult]:
        """Narrow to the deployment of the address, and to a version."""
        found = super().get_queryset().filter(deployment=composed(self.kwargs.get("name", "")))
        version = self.request.query_params.get("version", "") if self.request else ""
        if not version:
            return found
        if not (version.isascii() and version.isdigit() and len(version) < 10):
            raise Invalid("the version must be a number", fields={"version": "must be a number"})
        return found.filter(version=int(version))

    @extend_schema(parameters=[OpenApiParameter("version", OpenApiTypes.INT, description="of one version only")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give one page."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        hidden = withheld(request.auth, {one.request_id for one in page})
        context = {**self.get_serializer_context(), "withheld": hidden}
        return self.get_paginated_response(ShadowResultSerializer(page, many=True, context=context).data)
