"""API keys: one's own, and for those who manage them everybody's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services
from accounts.api.inputs import owner_of
from accounts.models import ApiKey
from accounts.scopes import SCOPES
from common.api.inputs import FiniteField, ReasonIn, checked
from guards.limits import MAX_PER_MINUTE, MAX_ROWS_PER_MINUTE

HOUR = timedelta(hours=1)
_WHOLE: dict[str, Any] = {
    "required": False, "allow_null": True, "default": None, "min_value": 1, "max_value": MAX_PER_MINUTE
}  # fmt: skip
_ROWS: dict[str, Any] = {**_WHOLE, "max_value": MAX_ROWS_PER_MINUTE}


class KeyOut(serializers.ModelSerializer[ApiKey]):
    """A key without its secret."""

    user = serializers.SlugRelatedField(slug_field="username", read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    allowed_models = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "prefix",
            "name",
            "user",
            "scopes",
            "allowed_models",
            "expires_at",
            "last_used_at",
            "old_until",
            "old_used_at",
            "per_minute",
            "burst",
            "rows_per_minute",
            "created_at",
            "revoked_at",
        ]
        read_only_fields = fields


class KeyMadeOut(KeyOut):
    """A key just made: `key` is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(KeyOut.Meta):
        fields = [*KeyOut.Meta.fields, "key"]


class KeyIn(serializers.Serializer[None]):
    """A key to make; `user` is somebody else's name, for those who manage keys."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(SCOPES)), allow_empty=False)
    allowed_models = serializers.ListField(child=serializers.CharField(max_length=100), required=False, default=list)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    per_minute = serializers.IntegerField(**_WHOLE, help_text="predictions a minute; none: the installation's limit")
    burst = serializers.IntegerField(**_WHOLE, help_text="at once after a quiet time; none: six seconds' worth")
    rows_per_minute = serializers.IntegerField(**_ROWS, help_text="of all predictions; none: the installation's limit")
    user = serializers.CharField(required=False, max_length=150)


class LimitIn(ReasonIn):
    """How often a key may predict."""

    per_minute = serializers.IntegerField(min_value=1, max_value=MAX_PER_MINUTE, allow_null=True)
    burst = serializers.IntegerField(**_WHOLE)
    rows_per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_ROWS_PER_MINUTE, help_text="left out: as it was"
    )


class RotateIn(ReasonIn):
    """How long the old secret works on beside the new one; 0: no longer."""

    keep_old_for_hours = FiniteField(
        required=False, default=services.OVERLAP / HOUR, min_value=0, max_value=services.MAX_OVERLAP / HOUR
    )


class ApiKeyViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ApiKey]):
    """Keys of applications."""

    queryset = ApiKey.objects.select_related("user")
    serializer_class = KeyOut
    lookup_value_regex = "[0-9a-f-]{32,36}"
    permission_map = {
        "revoke": "accounts.revoke_apikey",
        "rotate": "accounts.rotate_apikey",
        "partial_update": "accounts.manage_any_apikey",
    }
    open_to_limited = ("create", "rotate")  # of no wider key

    def filter_queryset(self, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """Keep what the caller may see."""
        return super().filter_queryset(queryset).visible_to(self.request.auth)

    @extend_schema(summary="Make an API key", request=KeyIn, responses={201: KeyMadeOut})
    def create(self, request: Request) -> Response:
        """Make a key; the answer is the only place where it is ever shown."""
        given = checked(KeyIn, request)
        owner = owner_of(request, given.pop("user", ""), "accounts.manage_any_apikey")
        key, text = services.create_api_key(user=owner, actor=request.user, caller=request.auth, **given)
        return _shown_once(key, text, 201)

    @extend_schema(summary="Limit an API key", request=LimitIn, responses=KeyOut)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Set how often a key may predict; `null` lifts its own limit."""
        who, key = {"actor": request.user, "caller": request.auth}, self.get_object()
        limits = {"rows_per_minute": key.rows_per_minute, **checked(LimitIn, request)}
        key = services.limit_api_key(key=key, **who, **limits)
        return Response(KeyOut(key).data)

    @extend_schema(summary="Give an API key a new secret", request=RotateIn, responses=KeyMadeOut)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Give a new secret, shown only here; the old one works on for a while. Identity, scopes and limits stay."""
        given = checked(RotateIn, request)
        hours = given.pop("keep_old_for_hours")
        overlap, who = timedelta(hours=hours), {"actor": request.user, "caller": request.auth}
        key, text = services.rotate_api_key(key=self.get_object(), keep_old_for=overlap, **who, **given)
        return _shown_once(key, text, 200)

    @extend_schema(summary="Revoke an API key", request=ReasonIn, responses=KeyOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a key for good, within a second."""
        key = services.revoke_api_key(key=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(KeyOut(key).data)


def _shown_once(key: ApiKey, text: str, status: int) -> Response:
    return Response({**KeyOut(key).data, "key": text}, status=status, headers={"Cache-Control": "no-store"})
