"""`/api/v1/approval-requests`: what somebody wants and others have to agree to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import Invalid, NotFound
from common.names import composed
from registry import services
from registry.models import ApprovalRequest, ModelVersion

State = ApprovalRequest.State


class DecisionSerializer(serializers.Serializer[Any]):
    """What one person said."""

    person = serializers.CharField(source="person_name")
    verdict = serializers.CharField()
    comment = serializers.CharField()
    created_at = serializers.DateTimeField()


class ApprovalSerializer(serializers.ModelSerializer[ApprovalRequest]):
    """A request with what is known of the version, and what others said."""

    model = serializers.CharField(source="version.model.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    asked_by = serializers.CharField(source="asked_by_name", read_only=True)
    evidence = serializers.SerializerMethodField()
    decisions = DecisionSerializer(many=True, read_only=True)

    class Meta:
        model = ApprovalRequest
        fields = (
            "id", "model", "version", "alias", "deployment", "is_removal", "old_alias", "state", "comment",
            "approvals_needed", "asked_by", "created_at", "expires_at", "decided_at", "used_at", "decisions",
            "evidence",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_evidence(self, request: ApprovalRequest) -> dict[str, Any]:
        """What was known when it was asked."""
        return dict(request.evidence)


class NewApprovalSerializer(serializers.Serializer[Any]):
    """What is asked for: an alias for a version (or that it is taken away), or a deployment that it shall serve."""

    model = serializers.CharField(max_length=120)
    version = serializers.IntegerField(min_value=1)
    alias = serializers.CharField(max_length=100, required=False)
    deployment = serializers.CharField(max_length=100, required=False)
    is_removal = serializers.BooleanField(required=False, default=False)
    old_alias = serializers.CharField(max_length=100, required=False, help_text="for the version that has it now")
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class CommentSerializer(serializers.Serializer[Any]):
    """Why."""

    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class ApprovalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ApprovalRequest]):
    """Requests for approval, newest first."""

    queryset = ApprovalRequest.objects.select_related("version__model").prefetch_related("decisions")
    serializer_class = ApprovalSerializer
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {
        "approve": "registry.decide_approvalrequest",
        "reject": "registry.decide_approvalrequest",
        "withdraw": "registry.add_approvalrequest",
        "carry_out": "registry.add_approvalrequest",
    }

    def get_queryset(self) -> QuerySet[ApprovalRequest]:
        """Narrow to a state and a model where the address names them."""
        found, query = super().get_queryset(), self.request.query_params
        if self.action != "list":
            return found
        if state := query.get("state", ""):
            if state not in State.values:
                raise Invalid(f"there is no state '{state}'", fields={"state": ", ".join(State.values)})
            found = found.filter(state=state)
        return found.filter(version__model__name=composed(query["model"])) if query.get("model") else found

    @extend_schema(parameters=[OpenApiParameter("state", enum=State.values), OpenApiParameter("model")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List requests."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewApprovalSerializer, responses={201: ApprovalSerializer})
    def create(self, request: Request) -> Response:
        """Ask; the evidence is gathered at once."""
        data = checked(NewApprovalSerializer, request)
        name, number = data.pop("model"), data.pop("version")
        versions = ModelVersion.objects.present().select_related("model")
        version = versions.filter(model__name=composed(name), number=number).first()
        if version is None:
            raise NotFound(f"there is no version {number} of a model '{name}'")
        asked = services.request_approval(version=version, actor=request.user, **data)
        location = {"Location": reverse("approvalrequest-detail", args=[asked.pk])}
        return Response(self._told(asked), status=status.HTTP_201_CREATED, headers=location)

    @extend_schema(request=CommentSerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Agree. Not for what one has asked for, or a version that one has made."""
        return self._do(request, _verdict("approve"))

    @extend_schema(request=CommentSerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Refuse, which ends the request."""
        return self._do(request, _verdict("reject"))

    @extend_schema(request=CommentSerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back one's own request."""
        return self._do(request, services.withdraw)

    @extend_schema(request=CommentSerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"], url_path="carry-out")
    def carry_out(self, request: Request, pk: str) -> Response:
        """Do what was approved, once."""
        return self._do(request, _carry_out)

    def _do(self, request: Request, verb: Callable[..., Any]) -> Response:
        sent = checked(CommentSerializer, request)
        asked = self.get_object()
        verb(request=asked, actor=request.user, comment=sent["comment"])
        return Response(self._told(asked))

    def _told(self, asked: ApprovalRequest) -> Any:
        return ApprovalSerializer(self.queryset.get(pk=asked.pk)).data


def _verdict(verdict: str) -> Callable[..., Any]:
    def decide(*, request: ApprovalRequest, actor: Any, comment: str) -> None:
        services.decide(request=request, actor=actor, verdict=verdict, comment=comment)

    return decide


def _carry_out(*, request: ApprovalRequest, actor: Any, comment: str) -> None:
    services.carry_out(request=request, actor=actor, reason=comment)
