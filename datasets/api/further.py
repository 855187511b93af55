"""What is done with a sealed version: `/api/v1/datasets/{dataset}/versions/{number}/exports`, `splits`, `lineage`,
`differences`; and `/api/v1/dataset-differences/{id}`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import FiniteField
from common.errors import Invalid, NotReady
from common.names import composed
from datasets import services
from datasets.lineage.graph import as_dict, lineage_of
from datasets.models import DatasetVersion, VersionDifference
from datasets.services.exports import FORMATS
from datasets.services.splits import MOST_SPLITS
from files.services import open_blob

_UUID = "[0-9A-Fa-f-]{32,36}"


class NewExportSerializer(serializers.Serializer[Any]):
    """How rows are written; the file becomes one of the caller's."""

    format = serializers.ChoiceField(choices=list(FORMATS))
    split = serializers.CharField(required=False, allow_blank=True, max_length=50, default="", help_text="empty: all")
    is_guarded = serializers.BooleanField(
        required=False, default=True, help_text="CSV: a quote before texts that a spreadsheet would run as a formula"
    )
    has_bom = serializers.BooleanField(required=False, default=False, help_text="CSV: marked as UTF-8, for Excel")


class StartedExportSerializer(serializers.Serializer[Any]):
    """The job that exports; once it has succeeded its `result.file` is a file of `/api/v1/files`."""

    job = serializers.UUIDField()


class ShareSerializer(serializers.Serializer[Any]):
    """One split."""

    name = serializers.CharField(max_length=50)
    percent = FiniteField()


class NewSplitSerializer(serializers.Serializer[Any]):
    """How rows are divided; without `shares` 80, 10 and 10 percent for train, validation and test."""

    shares = serializers.ListField(child=ShareSerializer(), required=False, max_length=MOST_SPLITS)
    together = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        max_length=100,
        help_text="rows with equal values in these columns never part; none: in all columns",
    )
    stratify = serializers.CharField(
        required=False, allow_blank=True, max_length=255, default="", help_text="column of classes to divide exactly"
    )
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)
    text = serializers.CharField(
        required=False, allow_blank=True, max_length=255, default="", help_text="column looked through for leaks"
    )


class StartedSplitSerializer(serializers.Serializer[Any]):
    """The version to be, and the work that makes it."""

    dataset = serializers.CharField()
    version = serializers.IntegerField()
    preprocessing_job = serializers.UUIDField()


class LineageNodeSerializer(serializers.Serializer[Any]):
    """A source, version, recipe, split, model or deployment; `more` stands for boxes left out."""

    id = serializers.CharField()
    kind = serializers.CharField()
    label = serializers.CharField()
    note = serializers.CharField()
    url = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)


class LineageSerializer(serializers.Serializer[Any]):
    """Nodes, and edges from what was there to what was made of it."""

    nodes = LineageNodeSerializer(many=True)
    edges = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


class NewDifferenceSerializer(serializers.Serializer[Any]):
    """What a version is compared with."""

    before = serializers.CharField(max_length=120, help_text="the earlier version, as NAME:3")
    key = serializers.CharField(
        required=False, allow_blank=True, max_length=255, default="", help_text="column that tells rows apart"
    )


class DifferenceSerializer(serializers.ModelSerializer[VersionDifference]):
    """What differs between two versions, or how far that is."""

    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()
    state = serializers.CharField(source="job.state", read_only=True)
    progress = serializers.IntegerField(source="job.progress", read_only=True, help_text="percent")
    error = serializers.CharField(source="job.error", read_only=True)
    summary = serializers.DictField(read_only=True, help_text="empty until it is found")
    examples = serializers.DictField(read_only=True)

    class Meta:
        model = VersionDifference
        fields = (
            "id", "before", "after", "key", "state", "progress", "error", "summary", "examples", "created_at",
            "found_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.STR)
    def get_before(self, found: VersionDifference) -> str:
        """As NAME:3."""
        return f"{found.before.dataset.name}:{found.before.number}"

    @extend_schema_field(OpenApiTypes.STR)
    def get_after(self, found: VersionDifference) -> str:
        """As NAME:3."""
        return f"{found.after.dataset.name}:{found.after.number}"


class VersionWorkViewSet(viewsets.GenericViewSet[DatasetVersion]):
    """What is done with one sealed version."""

    queryset = DatasetVersion.objects.sealed().select_related("dataset")
    serializer_class = LineageSerializer
    pagination_class = None
    permission_map = {
        "exports": "datasets.export_datasetversion",
        "splits": "datasets.add_datasetversion",
        "differences": "datasets.add_datasetversion",
        "lineage": "datasets.view_datasetversion",
    }

    @extend_schema(
        request=NewExportSerializer, responses={202: OpenApiResponse(StartedExportSerializer, "The job at `Location`")}
    )
    @action(detail=False, methods=["post"])
    def exports(self, request: Request, dataset: str, number: str) -> Response:
        """Write the rows as a file of the caller's, by the job that `Location` names."""
        sent = _read(NewExportSerializer, request)
        job = services.start_export(version=self._version(), actor=request.user, **sent)
        return _accepted(request, {"job": job.pk}, "job-detail", job.pk)

    @extend_schema(
        request=NewSplitSerializer,
        responses={202: OpenApiResponse(StartedSplitSerializer, "The work at `Location` makes the version")},
    )
    @action(detail=False, methods=["post"])
    def splits(self, request: Request, dataset: str, number: str) -> Response:
        """Make a version of the same rows divided into splits."""
        sent = _read(NewSplitSerializer, request)
        if (shares := sent.pop("shares", None)) is not None:
            sent["shares"] = [(one["name"], one["percent"]) for one in shares]
        made = services.split_version(version=self._version(), actor=request.user, **sent)
        told = {"dataset": made.version.dataset.name, "version": made.version.number, "preprocessing_job": made.pk}
        return _accepted(request, told, "preprocessingjob-detail", made.pk)

    @extend_schema(
        request=NewDifferenceSerializer,
        responses={
            200: OpenApiResponse(DifferenceSerializer, "Known already"),
            202: OpenApiResponse(DifferenceSerializer, "To be found; ask `Location`"),
        },
    )
    @action(detail=False, methods=["post"])
    def differences(self, request: Request, dataset: str, number: str) -> Response:
        """Find what differs between an earlier version, of this dataset or another, and this one."""
        sent = _read(NewDifferenceSerializer, request)
        before = services.find_version(sent["before"])
        found = services.compare_versions(before=before, after=self._version(), key=sent["key"], actor=request.user)
        told = DifferenceSerializer(found).data
        answer = _accepted(request, told, "versiondifference-detail", found.pk)
        answer.status_code = status.HTTP_200_OK if found.found_at else status.HTTP_202_ACCEPTED
        return answer

    @extend_schema(responses=LineageSerializer)
    @action(detail=False)
    def lineage(self, request: Request, dataset: str, number: str) -> Response:
        """Give where the rows came from and what was made of them."""
        return Response(LineageSerializer(as_dict(lineage_of(self._version()))).data)

    def _version(self) -> DatasetVersion:
        return get_object_or_404(
            self.get_queryset(), dataset__name=composed(self.kwargs["dataset"]), number=self.kwargs["number"]
        )


class DifferenceViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[VersionDifference]):
    """Differences of two versions."""

    queryset = VersionDifference.objects.select_related("before__dataset", "after__dataset", "job", "blob")
    serializer_class = DifferenceSerializer
    lookup_value_regex = _UUID
    permission_map = {
        "retrieve": "datasets.view_datasetversion",
        "content": "datasets.export_datasetversion",
    }

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=["parquet", "jsonl"], description="parquet if left out")],
        responses={
            (200, "application/vnd.apache.parquet"): OpenApiTypes.BINARY,
            (200, "application/x-ndjson"): OpenApiTypes.BINARY,
        },
    )
    @action(detail=True)
    def content(self, request: Request, pk: str) -> HttpResponseBase:
        """Give all rows that differ; `__change`, `__row` and `__other_row` say how."""
        found = self.get_object()
        wanted = request.query_params.get("as", "parquet")
        if wanted not in ("parquet", "jsonl"):
            raise Invalid("as: must be parquet or jsonl", fields={"as": "must be parquet or jsonl"})
        if found.blob is None:
            raise NotReady("what differs is not found yet", retry_after_s=2)
        name = f"{found.before}-{found.after}.difference.{wanted}"
        if wanted == "jsonl":
            lines = StreamingHttpResponse(_lines(found), content_type="application/x-ndjson")
            lines["Content-Disposition"] = "attachment"
            return lines
        kind = "application/vnd.apache.parquet"
        return FileResponse(open_blob(found.blob), as_attachment=True, filename=name, content_type=kind)


def _read(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    sent = serializer(data=request.data)
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def _accepted(request: Request, told: Any, route: str, key: Any) -> Response:
    location = request.build_absolute_uri(reverse(route, args=[key]))
    return Response(told, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


def _lines(found: VersionDifference) -> Iterator[bytes]:
    from datasets.content import local_path  # noqa: PLC0415 - Polars only where it is needed
    from datasets.export.rows import write_jsonl  # noqa: PLC0415 - the same
    from datasets.frames import frames_of  # noqa: PLC0415 - the same

    assert found.blob
    for frame in frames_of([(local_path(found.blob), 0)]):
        piece = io.BytesIO()
        write_jsonl([frame], piece)
        yield piece.getvalue()
