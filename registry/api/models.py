"""`/api/v1/models`: registered models by name."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import Conflict, Invalid, NotFound
from registry import services
from registry.card import card_of, chosen
from registry.card_text import as_markdown
from registry.comparison import compare
from registry.models import ModelVersion, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS

REASON = OpenApiParameter("reason", str, description="why, for the audit")


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    """A registered model with the names that point at its versions."""

    owner = serializers.CharField(source="owner.username", default=None, read_only=True)
    aliases = serializers.SerializerMethodField()
    tags = serializers.SerializerMethodField()

    class Meta:
        model = RegisteredModel
        fields = (
            "name", "description", "intended_use", "limits", "licence", "task", "owner",
            "last_version", "aliases", "tags", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_aliases(self, model: RegisteredModel) -> dict[str, int]:
        """Version numbers by alias."""
        return {alias.name: alias.version.number for alias in model.aliases.all()}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_tags(self, model: RegisteredModel) -> dict[str, str]:
        """Values by key."""
        return {tag.key: tag.value for tag in model.tags.all()}


class ModelInputSerializer(serializers.Serializer[Any]):
    """What a model is called and what it says of itself."""

    name = serializers.CharField(max_length=MAX_NAME_CHARACTERS)
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    task = serializers.CharField(required=False, allow_blank=True, max_length=50)


class ModelChangeSerializer(serializers.Serializer[Any]):
    """What a model says of itself; what is left out stays. The longer texts are Markdown."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    intended_use = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    limits = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    licence = serializers.CharField(required=False, allow_blank=True, max_length=120)
    task = serializers.CharField(required=False, allow_blank=True, max_length=50)


class ModelViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RegisteredModel]):
    """Registered models by name."""

    queryset = RegisteredModel.objects.present().select_related("owner").prefetch_related("aliases__version", "tags")
    serializer_class = ModelSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    permission_map = {"compare": "registry.view_modelversion", "card": "registry.view_modelversion"}

    @extend_schema(request=ModelInputSerializer, responses={201: ModelSerializer})
    def create(self, request: Request) -> Response:
        """Register a model. A name that is taken is a conflict."""
        wanted = ModelInputSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        model, is_new = services.register_model_once(actor=request.user, **wanted.validated_data)
        if not is_new:
            raise Conflict(f"there is a model {model.name} already")
        return Response(self.get_serializer(model).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ModelChangeSerializer, responses=ModelSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change what a model says of itself."""
        wanted = ModelChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        model = services.update_model(model=self.get_object(), actor=request.user, **wanted.validated_data)
        return Response(self.get_serializer(self.get_queryset().get(pk=model.pk)).data)

    @extend_schema(
        parameters=[OpenApiParameter("a", int, required=True), OpenApiParameter("b", int, required=True)],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get"])
    def compare(self, request: Request, name: str) -> Response:
        """Compare two versions: numbers, signature, files, data, evaluations, calls of the last day."""
        model = self.get_object()
        one, two = (self._numbered(model, request.query_params.get(side, ""), side) for side in ("a", "b"))
        return Response(compare(one, two))

    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="another one than the one that answers"),
            OpenApiParameter("as", str, enum=["json", "markdown"]),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/markdown"): OpenApiTypes.STR,
        },
    )
    @action(detail=True, methods=["get"])
    def card(self, request: Request, name: str) -> HttpResponseBase:
        """Give the model card as JSON, or as Markdown."""
        model = self.get_object()
        number = request.query_params.get("version", "")
        version = self._numbered(model, number, "version") if number else chosen(model)
        card = card_of(model, version)
        if request.query_params.get("as") == "markdown":
            return HttpResponse(as_markdown(card), content_type="text/markdown; charset=utf-8")
        return Response(card)

    @staticmethod
    def _numbered(model: RegisteredModel, text: str, field: str) -> ModelVersion:
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise Invalid(
                f"{field}: must be the number of a version", fields={field: "must be the number of a version"}
            )
        found = model.versions.present().filter(number=int(text)).first()
        if found is None:
            raise NotFound(f"{model} has no version {text}")
        return found

    @extend_schema(parameters=[REASON], responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete the model with its versions, to be restored within DELETED_KEEP_DAYS. Refused while one is in use."""
        reason = request.query_params.get("reason", "")[:1000]
        services.delete_model(model=self.get_object(), actor=request.user, reason=reason)
        return Response(status=status.HTTP_204_NO_CONTENT)
