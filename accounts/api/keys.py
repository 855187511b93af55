"""API keys: one's own, and for those who manage them everybody's."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services
from accounts.api.inputs import ReasonIn, checked, owner_of
from accounts.models import ApiKey
from accounts.scopes import SCOPES


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
    user = serializers.CharField(required=False, max_length=150)


class ApiKeyViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ApiKey]):
    """Keys of applications."""

    queryset = ApiKey.objects.select_related("user")
    serializer_class = KeyOut
    lookup_value_regex = "[0-9a-f-]{32,36}"
    permission_map = {"revoke": "accounts.revoke_apikey"}

    def filter_queryset(self, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """Keep what the caller may see."""
        return super().filter_queryset(queryset).visible_to(self.request.auth)

    @extend_schema(summary="Make an API key", request=KeyIn, responses={201: KeyMadeOut})
    def create(self, request: Request) -> Response:
        """Make a key; the answer is the only place where it is ever shown."""
        given = checked(KeyIn, request)
        owner = owner_of(request, given.pop("user", ""), "accounts.manage_any_apikey")
        key, text = services.create_api_key(user=owner, actor=request.user, caller=request.auth, **given)
        return Response({**KeyOut(key).data, "key": text}, status=201)

    @extend_schema(summary="Revoke an API key", request=ReasonIn, responses=KeyOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a key for good, within a second."""
        key = services.revoke_api_key(key=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(KeyOut(key).data)
