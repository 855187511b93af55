"""`/api/v1/alias-rules`: which aliases are protected; and `/api/v1/models/{model}/history`: what was live when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import Conflict
from registry import services
from registry.models import AliasHistory, AliasRule, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS, alias_name
from registry.services.alias_rules import MOST_APPROVALS, MOVERS
from registry.services.history import as_of


class AliasRuleSerializer(serializers.ModelSerializer[AliasRule]):
    """Who may move an alias, and how many others have to agree. Without a model it is for all that have no own rule."""

    model = serializers.CharField(source="model.name", default=None, read_only=True)
    roles = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = AliasRule
        fields = ("id", "model", "name", "roles", "approvals", "is_gated", "created_at", "updated_at")
        read_only_fields = fields


class AliasRuleChangeSerializer(serializers.Serializer[Any]):
    """What is demanded; what is left out stays."""

    roles = serializers.ListField(child=serializers.ChoiceField(choices=MOVERS), required=False, min_length=1)
    approvals = serializers.IntegerField(min_value=0, max_value=MOST_APPROVALS, required=False)
    is_gated = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class NewAliasRuleSerializer(AliasRuleChangeSerializer):
    """An alias to protect, of one model or of all."""

    name = serializers.CharField(max_length=MAX_NAME_CHARACTERS)
    model = serializers.CharField(max_length=120, required=False, allow_null=True)


class AliasRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AliasRule]):
    """Protected aliases."""

    queryset = AliasRule.objects.select_related("model")
    serializer_class = AliasRuleSerializer
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(request=NewAliasRuleSerializer, responses={201: AliasRuleSerializer})
    def create(self, request: Request) -> Response:
        """Protect an alias. One that has a rule already is a conflict."""
        data = checked(NewAliasRuleSerializer, request)
        name = data.pop("model", None)
        model = get_object_or_404(RegisteredModel.objects.present(), name=name) if name else None
        if AliasRule.objects.named(model, alias_name(data["name"])) is not None:
            raise Conflict(f"the alias {data['name']} is protected already", code="protected_already")
        rule = services.protect_alias(model=model, actor=request.user, **data)
        return Response(AliasRuleSerializer(rule).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=AliasRuleChangeSerializer, responses=AliasRuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is demanded."""
        wanted = checked(AliasRuleChangeSerializer, request)
        rule = self.get_object()
        kept = {"roles": rule.roles, "approvals": rule.approvals, "is_gated": rule.is_gated}
        changed = services.protect_alias(name=rule.name, model=rule.model, actor=request.user, **{**kept, **wanted})
        return Response(AliasRuleSerializer(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take the protection away."""
        services.unprotect_alias(rule=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AliasThenSerializer(serializers.ModelSerializer[AliasHistory]):
    """What an alias pointed at, from when until when; `until` is null while it does."""

    alias = serializers.CharField(source="name")
    version = serializers.IntegerField(source="version_number")
    approval_request = serializers.UUIDField(source="approval_id", allow_null=True)

    class Meta:
        model = AliasHistory
        fields = ("alias", "version", "since", "until", "actor", "reason", "approval_request")


class ServedThenSerializer(serializers.Serializer[Any]):
    """What a deployment gave a version of its calls, from when until when."""

    deployment = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.CharField()
    weight = serializers.IntegerField(help_text="percent")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField()


class ThenSerializer(serializers.Serializer[Any]):
    """What was so at one time."""

    at = serializers.DateTimeField()
    aliases = AliasThenSerializer(many=True)
    served = ServedThenSerializer(many=True)


class _AtSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(required=False)


class HistoryViewSet(viewsets.GenericViewSet[AliasHistory]):
    """What was live at a time."""

    queryset = AliasHistory.objects.all()
    serializer_class = ThenSerializer
    pagination_class = None
    permission_map = {"list": "registry.view_modelalias"}

    @extend_schema(
        parameters=[OpenApiParameter("at", OpenApiTypes.DATETIME, description="ISO 8601; now if it is left out")],
        responses=ThenSerializer,
    )
    def list(self, request: Request, model: str) -> Response:
        """Give what the aliases pointed at and what the deployments served at a time."""
        asked = _AtSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        at: datetime = asked.validated_data.get("at", timezone.now())
        found = get_object_or_404(RegisteredModel, name=model)
        return Response(ThenSerializer(as_of(found, at)).data)
