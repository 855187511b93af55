"""`/api/v1/datasets/{dataset}/imports`: rows from a source, looked at first, then made a version by a job."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import NotAllowed, NotFound
from common.names import composed
from datasets import services
from datasets.formats.facts import ENCODINGS, FORMATS
from datasets.formats.words import why
from datasets.models import Dataset, PreprocessingJob, Source
from datasets.sources.hooks import source_of

_TEXT = {"required": False, "allow_blank": True, "default": ""}
_PERMISSION = "datasets.add_source"


def _by_column(told: str) -> serializers.DictField:
    """Give a field with a text for each column."""
    return serializers.DictField(
        child=serializers.CharField(max_length=255, allow_blank=True), required=False, help_text=told
    )


class ReadingSerializer(serializers.Serializer[Any]):
    """How a file is read; what is left out is found out. Columns are named as they are in the file."""

    format = serializers.ChoiceField(choices=list(FORMATS), allow_blank=True, required=False)
    encoding = serializers.ChoiceField(choices=list(ENCODINGS), allow_blank=True, required=False)
    delimiter = serializers.CharField(**_TEXT, max_length=10, trim_whitespace=False, help_text="one character, or tab")
    quote = serializers.ChoiceField(choices=['"', "'", "none"], allow_blank=True, required=False)
    has_header = serializers.BooleanField(required=False, default=True)
    sheet = serializers.CharField(**_TEXT, max_length=255, help_text="Excel: empty is the first with rows")
    time_zone = serializers.CharField(**_TEXT, max_length=64, help_text="of times that say none")
    types = _by_column("text, integer, number, truth, date, datetime, duration, list[…], or drop")
    names = _by_column("other names for columns")
    date_formats = _by_column("such as %d.%m.%Y")


class ImportSourceSerializer(serializers.Serializer[Any]):
    """Where rows come from: `kind` and what it asks for.

    file: file · http: url, header · s3: bucket, prefix, pattern, endpoint, region, key_id · path: folder, pattern ·
    database: address, query · dataset: version · predictions: deployment, since, until.
    """

    kind = serializers.CharField(max_length=20)
    options = serializers.DictField(required=False, default=dict)
    secret = serializers.CharField(**_TEXT, max_length=10_000, write_only=True, help_text="kept sealed, never shown")
    like = serializers.UUIDField(required=False, help_text="a source of this dataset whose secret is used again")
    reading = ReadingSerializer(required=False)


class NewImportSerializer(ImportSourceSerializer):
    """What is imported, and how many rows may be set aside on the way."""

    limit = serializers.CharField(required=False, max_length=20, default="5%", help_text="rows, or percent as 5%")
    description = serializers.CharField(**_TEXT, max_length=2000)
    is_reused = serializers.BooleanField(required=False, default=False, help_text="known content makes no new version")


class StartedImportSerializer(serializers.Serializer[Any]):
    """The version to be, and the work that makes it."""

    dataset = serializers.CharField()
    version = serializers.IntegerField()
    source = serializers.UUIDField()
    preprocessing_job = serializers.UUIDField()


class LookColumnSerializer(serializers.Serializer[Any]):
    """A column: its name in the file, its name here, its type (empty: it cannot be taken in as it is)."""

    source = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    examples = serializers.ListField(child=serializers.CharField())


class LookRejectSerializer(serializers.Serializer[Any]):
    """A row that would be set aside."""

    file = serializers.CharField()
    line = serializers.IntegerField()
    column = serializers.CharField()
    reason = serializers.SerializerMethodField()
    raw = serializers.CharField()

    def get_reason(self, reject: Any) -> str:
        """Say why."""
        return why(reject)


class LookSerializer(serializers.Serializer[Any]):
    """What a source holds: what it is, its columns, the first rows as texts, and what to know before the import."""

    format = serializers.CharField(source="found.format")
    compression = serializers.CharField(source="found.compression")
    encoding = serializers.CharField(source="found.encoding")
    delimiter = serializers.CharField(source="found.delimiter")
    sheet = serializers.CharField(source="found.sheet")
    sheets = serializers.ListField(source="found.sheets", child=serializers.CharField())
    files = serializers.ListField(source="found.files", child=serializers.CharField())
    columns = LookColumnSerializer(source="found.columns", many=True)
    rows = serializers.ListField(child=serializers.ListField(child=serializers.CharField(allow_null=True)))
    rejects = LookRejectSerializer(many=True)
    warnings = serializers.ListField(child=serializers.CharField())


class DatasetImportViewSet(viewsets.GenericViewSet[Source]):
    """Imports into a dataset."""

    queryset = Source.objects.all()
    permission_map = {"create": _PERMISSION, "look": _PERMISSION}
    slow_actions = ("look",)

    @extend_schema(
        request=NewImportSerializer,
        responses={202: OpenApiResponse(StartedImportSerializer, "The work at `Location` makes the version")},
    )
    def create(self, request: Request, dataset: str) -> Response:
        """Begin a version of the dataset, which is made if there is none of that name."""
        sent = self._sent(NewImportSerializer, request, dataset)
        if not Dataset.objects.filter(name=composed(dataset)).exists() and not request.auth.may("datasets.add_dataset"):
            raise NotAllowed("a new dataset needs datasets.add_dataset")
        made: PreprocessingJob = services.import_dataset(dataset=dataset, actor=request.user, **sent)
        location = request.build_absolute_uri(reverse("preprocessingjob-detail", args=[made.pk]))
        told = {"dataset": made.version.dataset.name, "version": made.version.number}
        told |= {"source": made.version.source_id, "preprocessing_job": made.pk}
        return Response(told, status=status.HTTP_202_ACCEPTED, headers={"Location": location})

    @extend_schema(request=ImportSourceSerializer, responses=LookSerializer)
    @action(detail=False, methods=["post"])
    def look(self, request: Request, dataset: str) -> Response:
        """Give what a source holds, before it is imported; nothing is kept."""
        sent = self._sent(ImportSourceSerializer, request, dataset)
        return Response(LookSerializer(services.look_at(actor=request.user, **sent)).data)

    def _sent(self, serializer: type[serializers.Serializer[Any]], request: Request, dataset: str) -> dict[str, Any]:
        found = checked(serializer, request)
        needed = source_of(found["kind"]).permission
        if needed and not request.auth.may(needed):
            raise NotAllowed(f"this kind of source needs {needed}")
        if needed:
            request.auth.demand_all_models("the source holds what all of them were asked")
        if "like" in found:
            found["like"] = Source.objects.filter(pk=found["like"], dataset__name=composed(dataset)).first()
            if found["like"] is None:
                raise NotFound("there is no such source of this dataset")
        return found
