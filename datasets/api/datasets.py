"""`/api/v1/datasets`: rows under a name."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.lookups import LONGEST_SEARCH
from common.names import composed
from datasets import services
from datasets.models import Dataset
from datasets.services.datasets import LONGEST_DESCRIPTION, LONGEST_TAG, MOST_TAGS
from datasets.services.naming import LONGEST_NAME


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset and how far its versions count."""

    owner = serializers.CharField(source="owner.username", default=None, read_only=True)
    tags = serializers.SerializerMethodField()

    class Meta:
        model = Dataset
        fields = (
            "id", "name", "description", "licence", "has_personal_data", "tags", "owner", "last_version", "archived_at",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_tags(self, dataset: Dataset) -> list[str]:
        """Words that it is found by."""
        return [tag.name for tag in dataset.tags.all()]


class DatasetChangeSerializer(serializers.Serializer[Any]):
    """What is said of a dataset; what is left out stays."""

    name = serializers.CharField(max_length=LONGEST_NAME, required=False)
    description = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_DESCRIPTION)
    licence = serializers.CharField(
        required=False, allow_blank=True, max_length=100, help_text="an SPDX name, or in words"
    )
    has_personal_data = serializers.BooleanField(required=False, allow_null=True, help_text="null: not known")
    tags = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_TAG), required=False, max_length=MOST_TAGS
    )


class DatasetInputSerializer(DatasetChangeSerializer):
    """What a dataset is called and what is said of it."""

    name = serializers.CharField(max_length=LONGEST_NAME)


class DatasetReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class DatasetFilter(filters.FilterSet):
    """Narrows the list."""

    q = filters.CharFilter(method="with_words", help_text="part of the name, the description or a tag")
    tag = filters.CharFilter(field_name="tags__name", help_text="an exact tag")
    has_personal_data = filters.BooleanFilter()
    is_archived = filters.BooleanFilter(method="in_archive", help_text="the archive instead of what is in use")

    class Meta:
        model = Dataset
        fields = ("q", "tag", "has_personal_data", "is_archived")

    def with_words(self, queryset: QuerySet[Dataset], _name: str, value: str) -> QuerySet[Dataset]:
        """Search."""
        words = composed(value)[:LONGEST_SEARCH]
        is_like = Q(name__icontains=words) | Q(description__icontains=words) | Q(tags__name__icontains=words)
        return queryset.filter(pk__in=Dataset.objects.filter(is_like).values("pk"))

    def in_archive(self, queryset: QuerySet[Dataset], _name: str, value: bool) -> QuerySet[Dataset]:
        """Show the archive, or what is in use."""
        return queryset.filter(archived_at__isnull=not value)


class DatasetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Dataset]):
    """Datasets by name."""

    queryset = Dataset.objects.select_related("owner").prefetch_related("tags")
    serializer_class = DatasetSerializer
    filterset_class = DatasetFilter
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    permission_map = {"archive": "datasets.delete_dataset", "restore": "datasets.delete_dataset"}

    def get_queryset(self) -> QuerySet[Dataset]:
        """Leave the archive out of the list unless it is asked for."""
        if "name" in self.kwargs:
            self.kwargs["name"] = composed(self.kwargs["name"])
        found = super().get_queryset()
        is_all = self.action != "list" or "is_archived" in self.request.query_params
        return found if is_all else found.filter(archived_at=None)

    @extend_schema(request=DatasetInputSerializer, responses={201: DatasetSerializer})
    def create(self, request: Request) -> Response:
        """Make a dataset. A name that is taken is a conflict."""
        wanted = DatasetInputSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = services.create_dataset(actor=request.user, **wanted.validated_data)
        return Response(self._told(made), status=status.HTTP_201_CREATED)

    @extend_schema(request=DatasetChangeSerializer, responses=DatasetSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change what is said of a dataset."""
        wanted = DatasetChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        changed = services.change_dataset(dataset=self.get_object(), actor=request.user, **wanted.validated_data)
        return Response(self._told(changed))

    @extend_schema(request=DatasetReasonSerializer, responses=DatasetSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, name: str) -> Response:
        """Take a dataset out of the lists; its versions stay."""
        return self._do(request, services.archive_dataset)

    @extend_schema(request=DatasetReasonSerializer, responses=DatasetSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, name: str) -> Response:
        """Put an archived dataset back."""
        return self._do(request, services.restore_dataset)

    def _do(self, request: Request, verb: Any) -> Response:
        sent = DatasetReasonSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        dataset = verb(dataset=self.get_object(), actor=request.user, reason=sent.validated_data["reason"])
        return Response(self._told(dataset))

    def _told(self, dataset: Dataset) -> Any:
        return self.get_serializer(self.queryset.get(pk=dataset.pk)).data
