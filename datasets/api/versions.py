"""`/api/v1/datasets/{dataset}/versions`: what never changes, its rows, and what was found in them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import NotReady
from common.names import composed
from datasets import services
from datasets.browsing import MODES, OPERATORS
from datasets.downloads import JSON_LINES, PARQUET, send_part, send_rejects
from datasets.models import DatasetVersion


class DatasetColumnSerializer(serializers.Serializer[Any]):
    """A column."""

    name = serializers.CharField()
    type = serializers.CharField(
        help_text="text, integer, number, truth, date, datetime, duration, or list[…] of one of these"
    )


class DatasetVersionSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A version of a dataset."""

    dataset = serializers.CharField(source="dataset.name", read_only=True)
    version = serializers.IntegerField(source="number", read_only=True)
    parent = serializers.SerializerMethodField()
    recipe = serializers.CharField(source="recipe.recipe.name", default=None, read_only=True)
    recipe_version = serializers.IntegerField(source="recipe.number", default=None, read_only=True)
    source = serializers.CharField(source="source.label", default=None, read_only=True)
    warnings = serializers.IntegerField(source="summary.warnings", default=None, read_only=True)
    is_profiled = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = DatasetVersion
        fields = (
            "id", "dataset", "version", "state", "rows", "rejected_rows", "size_bytes", "digest", "description",
            "source", "parent", "recipe", "recipe_version", "warnings", "is_profiled", "created_by", "created_at",
            "sealed_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_parent(self, version: DatasetVersion) -> str | None:
        """The version that it was made of, as `name:number`."""
        return f"{version.parent.dataset.name}:{version.parent.number}" if version.parent else None

    def get_is_profiled(self, version: DatasetVersion) -> bool:
        """Whether all its rows have been looked at."""
        return version.profile_id is not None


class DatasetPartSerializer(serializers.Serializer[Any]):
    """Some rows of a version, as a Parquet file."""

    number = serializers.IntegerField()
    split = serializers.CharField()
    first_row = serializers.IntegerField()
    rows = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(source="blob_id")


class DatasetVersionDetailSerializer(DatasetVersionSerializer):
    """A version with its columns."""

    columns = DatasetColumnSerializer(many=True, read_only=True)

    class Meta(DatasetVersionSerializer.Meta):
        fields = (*DatasetVersionSerializer.Meta.fields, "columns")
        read_only_fields = fields


class DatasetRowSerializer(serializers.Serializer[Any]):
    """A row: its number in the version, from 0, and its values."""

    row = serializers.IntegerField()
    values = serializers.DictField(child=serializers.JSONField(allow_null=True))


class DatasetRowsSerializer(serializers.Serializer[Any]):
    """Rows from a place on. Of a search: those found in the time that a request has; `next` goes on behind them."""

    columns = DatasetColumnSerializer(many=True)
    rows = DatasetRowSerializer(many=True)
    searched = serializers.IntegerField(help_text="rows that lie behind")
    total = serializers.IntegerField(help_text="rows of the version, or of the split")
    next = serializers.CharField(allow_null=True, help_text="address of what follows, null at the end")


_QUERY = [
    OpenApiParameter("offset", int, description="place of the first row, from 0"),
    OpenApiParameter("limit", int, description="most rows, 1 to 1000"),
    OpenApiParameter("split", str, description="rows of one split only; places count within it"),
    OpenApiParameter("columns", str, many=True, description="columns that are given; the first 100 if none are named"),
    OpenApiParameter("max_chars", int, description="where texts are cut: one character more tells that there is more"),
    OpenApiParameter("q", str, description="words that are all in a row, quoted for a phrase"),
    OpenApiParameter("mode", str, enum=MODES, description="how `q` is compared"),
    OpenApiParameter("in", str, many=True, description="text columns that `q` is looked for in; all if none are named"),
    OpenApiParameter("column", str, description="only rows where this column …"),
    OpenApiParameter("op", str, enum=OPERATORS, description="… compares like this …"),
    OpenApiParameter("value", str, description="… with this value"),
]


class DatasetVersionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DatasetVersion]):
    """Versions of one dataset by number."""

    queryset = DatasetVersion.objects.select_related(
        "dataset", "source", "recipe__recipe", "parent__dataset", "created_by"
    )
    serializer_class = DatasetVersionSerializer
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"
    keyset = "-number"
    permission_map = {
        "rows": "datasets.view_datasetversion",
        "profile": "datasets.view_datasetversion",
        "parts": "datasets.view_datasetversion",
        "part": "datasets.export_datasetversion",
        "rejects": "datasets.view_datasetversion",
    }

    def get_queryset(self) -> QuerySet[DatasetVersion]:
        """Narrow to the dataset of the address."""
        return super().get_queryset().filter(dataset__name=composed(self.kwargs.get("dataset", "")))

    def get_serializer_class(self) -> type[DatasetVersionSerializer]:
        """Give the columns except in lists."""
        return DatasetVersionSerializer if self.action == "list" else DatasetVersionDetailSerializer

    @extend_schema(parameters=_QUERY, responses=DatasetRowsSerializer)
    @action(detail=True, methods=["get"], pagination_class=None)
    def rows(self, request: Request, dataset: str, number: str) -> Response:
        """Give rows from a place on, or search there. Times are UTC, spans of time seconds; NaN is the text `NaN`."""
        from datasets.browsing.asking import Usual, ask  # noqa: PLC0415 - web loads Polars with the first rows it shows

        asked = ask(self.get_object(), request.query_params, Usual())
        found = asked.answer()
        types = asked.rows.types
        told = {
            "columns": [{"name": name, "type": types[name]} for name in asked.columns],
            "rows": found.rows,
            "searched": found.searched,
            "total": found.total,
            "next": None if found.next_place is None else _further(request, found.next_place),
        }
        return Response(told)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"], pagination_class=None)
    def profile(self, request: Request, dataset: str, number: str) -> Response:
        """Give all that was found in the rows: by column, and the warnings. Not ready while it is being found out."""
        version = self.get_object()
        found = services.profile_of(version)
        if found is None:
            raise NotReady(f"{version} has no profile yet", code="not_profiled", retry_after_s=5)
        return Response(found)

    @extend_schema(responses=DatasetPartSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def parts(self, request: Request, dataset: str, number: str) -> Response:
        """List the Parquet files of a version in the order of its rows."""
        return Response(DatasetPartSerializer(self.get_object().parts.order_by("number"), many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("part", int, OpenApiParameter.PATH)],
        responses={(200, PARQUET): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"], url_path="parts/(?P<part>[0-9]{1,9})", pagination_class=None)
    def part(self, request: Request, dataset: str, number: str, part: str) -> HttpResponseBase:
        """Give the bytes of a part."""
        return send_part(request._request, self.get_object(), int(part))

    @extend_schema(responses={(200, JSON_LINES): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], pagination_class=None)
    def rejects(self, request: Request, dataset: str, number: str) -> HttpResponseBase:
        """Give the rows that were set aside, as JSON Lines."""
        return send_rejects(request._request, self.get_object())


def _further(request: Request, place: int) -> str:
    """Give the address of the same question from another place on."""
    query = request.query_params.copy()
    query.pop("row", None)
    query["offset"] = str(place)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
