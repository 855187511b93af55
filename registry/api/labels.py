"""`/api/v1/models/{model}/aliases/{alias}` and the tags of models and versions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.names import composed
from registry import services
from registry.models import ModelAlias, ModelTag, ModelVersion, RegisteredModel, VersionTag
from registry.naming import MAX_VALUE_CHARACTERS


class AliasSerializer(serializers.Serializer[Any]):
    """A movable name and the version that it points at."""

    alias = serializers.CharField(source="name", read_only=True)
    version = serializers.IntegerField(source="version.number", min_value=1)
    updated_at = serializers.DateTimeField(read_only=True)


class AliasMoveSerializer(AliasSerializer):
    """Where an alias shall point, why, and what the version that has it now is called afterwards."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, write_only=True)
    old_alias = serializers.CharField(required=False, max_length=100, write_only=True)


class AliasReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class TagSerializer(serializers.Serializer[Any]):
    """The value of a tag."""

    key = serializers.CharField(read_only=True)
    value = serializers.CharField(allow_blank=True, max_length=MAX_VALUE_CHARACTERS, trim_whitespace=False)


class AliasViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ModelAlias]):
    """Aliases of one model."""

    queryset = ModelAlias.objects.select_related("version")
    serializer_class = AliasSerializer
    lookup_field = "name"
    lookup_url_kwarg = "alias"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    permission_map = {"rollback": "registry.change_modelalias"}

    def get_queryset(self) -> Any:
        """Narrow to the model of the address."""
        return super().get_queryset().filter(model__name=self.kwargs.get("model"))

    @extend_schema(request=AliasMoveSerializer, responses=AliasSerializer)
    def update(self, request: Request, model: str, alias: str) -> Response:
        """Point the alias at a ready version; it is made if there is none. A protected one may need an approval."""
        data = checked(AliasMoveSerializer, request)
        registered = get_object_or_404(RegisteredModel.objects.present(), name=model)
        version = get_object_or_404(registered.versions.present(), number=data.pop("version")["number"])
        moved = services.set_alias(model=registered, name=alias, version=version, actor=request.user, **data)
        return Response(AliasSerializer(moved).data)

    @extend_schema(request=AliasReasonSerializer, responses=AliasSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, model: str, alias: str) -> Response:
        """Point the alias at what it pointed at before; once more goes further back."""
        wanted = checked(AliasReasonSerializer, request)
        registered = get_object_or_404(RegisteredModel.objects.present(), name=model)
        reason = wanted["reason"]
        moved = services.rollback_alias(model=registered, name=composed(alias), actor=request.user, reason=reason)
        return Response(AliasSerializer(moved).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, model: str, alias: str) -> Response:
        """Take the alias away."""
        registered = get_object_or_404(RegisteredModel.objects.present(), name=model)
        services.delete_alias(model=registered, name=alias, actor=request.user)
        return Response(status=204)


class TagViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """Tags of whatever `target` gives."""

    serializer_class = TagSerializer
    lookup_field = "key"
    lookup_value_regex = "[^/]+"
    keyset = "key"

    @abstractmethod
    def target(self) -> RegisteredModel | ModelVersion:
        """Give what is tagged. Raises Http404."""

    def get_queryset(self) -> Any:
        """Narrow to the tags of the address."""
        return self.queryset.none() if getattr(self, "swagger_fake_view", False) else self.target().tags.all()

    @extend_schema(request=TagSerializer, responses=TagSerializer)
    def update(self, request: Request, key: str, **_where: str) -> Response:
        """Give the tag a value; it is made if there is none."""
        wanted = checked(TagSerializer, request)
        value = wanted["value"]
        services.set_tag(target=self.target(), key=key, value=value, actor=request.user)
        return Response({"key": key, "value": value})

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str, **_where: str) -> Response:
        """Take the tag away."""
        services.delete_tag(target=self.target(), key=key, actor=request.user)
        return Response(status=204)


class ModelTagViewSet(TagViewSet):
    """Tags of one model."""

    queryset = ModelTag.objects.all()

    def target(self) -> RegisteredModel:
        """Give the model of the address."""
        return get_object_or_404(RegisteredModel.objects.present(), name=self.kwargs["model"])


class VersionTagViewSet(TagViewSet):
    """Tags of one version."""

    queryset = VersionTag.objects.all()

    def target(self) -> ModelVersion:
        """Give the version of the address."""
        return get_object_or_404(
            ModelVersion.objects.present(), model__name=self.kwargs["model"], number=self.kwargs["number"]
        )
