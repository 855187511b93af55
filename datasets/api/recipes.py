"""`/api/v1/recipes` by name, and `/api/v1/recipe-steps`, the kinds of steps there are."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Prefetch, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import NotFound
from common.names import composed
from common.numbers import whole
from datasets.models import PreprocessingJob, Recipe, RecipeVersion
from datasets.services import find_version
from datasets.services import recipes as services

NOTE = {"required": False, "allow_blank": True, "max_length": 255, "default": ""}


class RecipeStepSerializer(serializers.Serializer[Any]):
    """A step: its kind, parameters as `/api/v1/recipe-steps` describes them, whether it is done, why it is there."""

    kind = serializers.CharField(max_length=50)
    params = serializers.DictField(required=False)
    is_enabled = serializers.BooleanField(required=False, default=True)
    note = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class RecipeVersionSerializer(serializers.ModelSerializer[RecipeVersion]):
    """The steps as they were saved once."""

    steps = RecipeStepSerializer(many=True, read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = RecipeVersion
        fields = ("number", "steps", "note", "created_by", "created_at")
        read_only_fields = fields


class RecipeSerializer(serializers.ModelSerializer[Recipe]):
    """A recipe and the steps of its last version."""

    owner = serializers.CharField(source="owner.username", default=None, read_only=True)
    steps = serializers.SerializerMethodField()

    class Meta:
        model = Recipe
        fields = (
            "id", "name", "description", "owner", "last_version", "steps", "archived_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(RecipeStepSerializer(many=True))
    def get_steps(self, recipe: Recipe) -> list[dict[str, Any]]:
        """Those of the last version."""
        return recipe.newest[0].steps  # type: ignore[attr-defined]


class NewRecipeSerializer(serializers.Serializer[Any]):
    """A name and steps, or `yaml` with both."""

    name = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000, default="")
    steps = serializers.ListField(child=serializers.DictField(), required=False, default=list, max_length=100)
    note = serializers.CharField(**NOTE)
    yaml = serializers.CharField(required=False, allow_blank=True, max_length=300_000, default="")


class ChangedRecipeSerializer(serializers.Serializer[Any]):
    """What changes; new steps make a new version. `based_on`: refuse if that is no longer the last version."""

    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    steps = serializers.ListField(child=serializers.DictField(), required=False, max_length=100)
    based_on = serializers.IntegerField(required=False, min_value=1, allow_null=True, default=None)
    note = serializers.CharField(**NOTE)


class RecipeReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class RecipeRunSerializer(serializers.Serializer[Any]):
    """What a recipe runs on (`NAME` or `NAME:3`) and where the rows go; the same work is given twice unless `again`."""

    dataset = serializers.CharField(max_length=150)
    version = serializers.IntegerField(required=False, min_value=1, help_text="of the recipe; default: the last one")
    to = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    engine = serializers.ChoiceField(choices=PreprocessingJob.Engine.choices, required=False, default="local")
    again = serializers.BooleanField(required=False, default=False)


class BegunRunSerializer(serializers.Serializer[Any]):
    """The job that makes, or has made, the version."""

    preprocessing_job = serializers.UUIDField()
    dataset = serializers.CharField()
    version = serializers.IntegerField()
    state = serializers.CharField()


class RecipePreviewSerializer(serializers.Serializer[Any]):
    """Steps to try on a few rows of a version, half done ones too; the rows of `selected` are shown."""

    dataset = serializers.CharField(max_length=150)
    steps = serializers.ListField(child=serializers.DictField(), required=False, max_length=100)
    selected = serializers.IntegerField(required=False, default=-1, min_value=-1, max_value=99)


class RecipeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Recipe]):
    """Recipes by name."""

    queryset = Recipe.objects.select_related("owner").prefetch_related(
        Prefetch("versions", RecipeVersion.objects.filter(number=F("recipe__last_version")), to_attr="newest")
    )
    serializer_class = RecipeSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    slow_actions = ("preview",)
    permission_map = {
        "archive": "datasets.delete_recipe",
        "restore": "datasets.delete_recipe",
        "versions": "datasets.view_recipe",
        "preview": "datasets.view_datasetversion",
        "yaml": "datasets.view_recipe",
        "run": "datasets.run_recipe",
    }

    def get_queryset(self) -> QuerySet[Recipe]:
        """Leave archived recipes out of the list."""
        found = super().get_queryset()
        return found.filter(archived_at=None) if self.action == "list" else found

    def get_object(self) -> Recipe:
        """Find a recipe however its name is composed."""
        self.kwargs["name"] = composed(self.kwargs["name"])
        return super().get_object()

    @extend_schema(request=NewRecipeSerializer, responses={201: RecipeSerializer})
    def create(self, request: Request) -> Response:
        """Make a recipe. A name that is taken is a conflict; YAML of one that is there makes its next version."""
        sent = NewRecipeSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        text = sent.validated_data.pop("yaml")
        if not text:
            recipe = services.create_recipe(actor=request.user, **sent.validated_data).recipe
            return Response(self._shown(recipe), status.HTTP_201_CREATED)
        version, is_new = services.import_recipe(text=text, actor=request.user)
        return Response(self._shown(version.recipe), status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(request=ChangedRecipeSerializer, responses=RecipeSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change the words, or save steps as the next version."""
        sent = ChangedRecipeSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        data, recipe = sent.validated_data, self.get_object()
        data.setdefault("steps", None)
        services.update_recipe(recipe=recipe, actor=request.user, **data)
        return Response(self._shown(recipe))

    @extend_schema(request=RecipeReasonSerializer, responses=RecipeSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, name: str) -> Response:
        """Take a recipe out of the list."""
        return self._do(request, services.archive_recipe)

    @extend_schema(request=RecipeReasonSerializer, responses=RecipeSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, name: str) -> Response:
        """Put an archived recipe back."""
        return self._do(request, services.restore_recipe)

    @extend_schema(responses=RecipeVersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, name: str) -> Response:
        """Give the saved versions, newest first."""
        found = self.get_object().versions.select_related("created_by")
        self.keyset = "-pk"
        page = self.paginate_queryset(found)
        return self.get_paginated_response(RecipeVersionSerializer(page, many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("version", int, description="its number; default: the last one")],
        responses={(200, "application/yaml"): OpenApiTypes.STR},
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def yaml(self, request: Request, name: str) -> HttpResponse:
        """Give a version as YAML, which POST takes back."""
        version = _version(self.get_object(), request.query_params.get("version", ""))
        return HttpResponse(services.recipe_as_yaml(version), content_type="application/yaml; charset=utf-8")

    @extend_schema(request=RecipePreviewSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, name: str) -> Response:
        """Try steps (default: the saved ones) on a few rows; tell for each what it did, or what is wrong."""
        from datasets.previewing.asking import preview  # noqa: PLC0415 - it begins a process of its own

        sent = RecipePreviewSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        data, recipe = sent.validated_data, self.get_object()
        steps = data["steps"] if "steps" in data else services.latest(recipe).steps
        version = find_version(data["dataset"])
        return Response(preview(version=version, steps=steps, selected=data["selected"], person=request.auth.user_id))

    @extend_schema(request=RecipeRunSerializer, responses={202: BegunRunSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, name: str) -> Response:
        """Begin the run that makes a new dataset version; what is made already is given at once."""
        sent = RecipeRunSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        data, recipe = sent.validated_data, self.get_object()
        run = services.run_recipe(
            recipe_version=_version(recipe, str(data.get("version", ""))),
            version=find_version(data["dataset"]),
            actor=request.user,
            to=data["to"],
            may_add=request.auth.may("datasets.add_dataset"),
            engine=data["engine"],
            is_again=data["again"],
        )
        said = {
            "preprocessing_job": run.pk,
            "dataset": run.version.dataset.name,
            "version": run.version.number,
            "state": run.version.state,
        }
        location = {"Location": reverse("preprocessingjob-detail", args=[run.pk])}
        return Response(BegunRunSerializer(said).data, status.HTTP_202_ACCEPTED, headers=location)

    def _do(self, request: Request, verb: Any) -> Response:
        sent = RecipeReasonSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        recipe = verb(recipe=self.get_object(), actor=request.user, reason=sent.validated_data["reason"])
        return Response(self._shown(recipe))

    def _shown(self, recipe: Recipe) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=recipe.pk)).data


class RecipeStepKindViewSet(viewsets.GenericViewSet[Recipe]):
    """Kinds of steps, with their parameters as a form needs them."""

    queryset = Recipe.objects.none()
    pagination_class = None

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        """Give all kinds by family: label, help, and for each parameter its form, default and bounds."""
        from datasets.catalogue import catalogue  # noqa: PLC0415 - web loads frames only where steps are wanted

        return Response({"results": catalogue()})


def _version(recipe: Recipe, number: str) -> RecipeVersion:
    if not number:
        return services.latest(recipe)
    found = recipe.versions.select_related("recipe").filter(number=whole(number)).first()
    if found is None:
        raise NotFound(f"there is no version {number[:20]} of this recipe")
    return found
