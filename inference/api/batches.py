"""`/api/v1/batch-runs`: a version over the rows of a file."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import NotFound
from common.names import composed
from files.models import StoredFile
from inference.batches import services
from inference.models import BatchRun
from registry.models import ModelVersion


class BatchRunSerializer(serializers.ModelSerializer[BatchRun]):
    """A run, how far it is, and what came of it. `result` is a file of `/api/v1/files`."""

    model = serializers.CharField(source="version.model.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    sha256 = serializers.CharField(source="blob_id", read_only=True)
    state = serializers.CharField(source="job.state", read_only=True)
    progress = serializers.IntegerField(source="job.progress", read_only=True, help_text="percent")
    error = serializers.CharField(source="job.error", read_only=True)
    attempts = serializers.IntegerField(source="job.attempts", read_only=True)
    rows_per_s = serializers.FloatField(read_only=True, allow_null=True)
    seconds_left = serializers.SerializerMethodField()
    started_at = serializers.DateTimeField(source="job.started_at", read_only=True, allow_null=True)
    finished_at = serializers.DateTimeField(source="job.finished_at", read_only=True, allow_null=True)
    columns = serializers.DictField(child=serializers.CharField(), read_only=True, help_text="column by input")
    problems = serializers.ListField(child=serializers.DictField(), read_only=True, help_text="the first wrong rows")

    class Meta:
        model = BatchRun
        fields = (
            "id", "model", "version", "file", "file_name", "sha256", "format", "columns", "id_column", "wrong_limit",
            "state", "progress", "error", "attempts", "rows_total", "rows_done", "rows_wrong", "rows_per_s",
            "seconds_left", "problems", "result", "result_sha256", "job", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.DOUBLE)
    def get_seconds_left(self, batch: BatchRun) -> float | None:
        """A guess while it runs, else null."""
        return None if batch.job.is_finished or batch.left_ms is None else batch.left_ms / 1000


class NewBatchRunSerializer(serializers.Serializer[Any]):
    """What to run over what. Columns that are left out are found by name and type."""

    model = serializers.CharField(max_length=100)
    version = serializers.IntegerField(min_value=1)
    file = serializers.UUIDField(help_text="id of a file of yours: Parquet, JSON Lines or CSV")
    columns = serializers.DictField(child=serializers.CharField(max_length=255), required=False)
    id_column = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    wrong_limit = serializers.IntegerField(min_value=0, max_value=100, required=False, default=services.DEFAULT_LIMIT)


class BatchReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class BatchRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[BatchRun]):
    """Batch runs, newest first."""

    queryset = BatchRun.objects.select_related("version__model", "job")
    serializer_class = BatchRunSerializer
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {"cancel": "inference.change_batchrun", "retry": "inference.change_batchrun"}
    slow_actions = ("create",)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let in no key for some deployments: a run is of a version, whichever answers for what."""
        super().initial(request, *args, **kwargs)
        request.auth.demand_all_models()

    def get_queryset(self) -> QuerySet[BatchRun]:
        """Narrow to what the caller may see."""
        caller, runs = self.request.auth, super().get_queryset()
        return runs if caller.may("inference.view_any_inferencerequest") else runs.filter(created_by=caller.user_id)

    @extend_schema(request=NewBatchRunSerializer, responses={202: BatchRunSerializer})
    def create(self, request: Request) -> Response:
        """Try the first rows of a file, then run the version over all of them."""
        data = checked(NewBatchRunSerializer, request)
        what: dict[str, Any] = {"version": _version(data), "file": _file(request, data)}
        options = {"id_column": data["id_column"], "wrong_limit": data["wrong_limit"]}
        look = services.look_at(columns=data.get("columns"), **what, **options)
        with self.effect() as kept:  # type: ignore[attr-defined]
            batch = services.start_run(look=look, actor=request.user, **what, **options)
            location = {"Location": reverse("batchrun-detail", args=[batch.pk])}
            kept.response = Response(BatchRunSerializer(batch).data, status.HTTP_202_ACCEPTED, headers=location)
        return kept.response

    @extend_schema(request=BatchReasonSerializer, responses=BatchRunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a run; what is done stays."""
        return self._do(request, services.cancel_run)

    @extend_schema(request=BatchReasonSerializer, responses=BatchRunSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Go on with a run that failed or was cancelled, behind what is done."""
        return self._do(request, services.retry_run)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget a run that has ended; its result stays a file."""
        services.delete_run(batch=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _do(self, request: Request, verb: Any) -> Response:
        sent = checked(BatchReasonSerializer, request)
        batch = self.get_object()
        verb(batch=batch, actor=request.user, reason=sent["reason"])
        return Response(self.get_serializer(self.get_queryset().get(pk=batch.pk)).data)


def _version(data: dict[str, Any]) -> ModelVersion:
    found = ModelVersion.objects.select_related("model")
    version = found.filter(model__name=composed(data["model"]), number=data["version"]).first()
    if version is None:
        raise NotFound(f"there is no version {data['version']} of a model '{data['model']}'")
    return version


def _file(request: Request, data: dict[str, Any]) -> StoredFile:
    own = StoredFile.objects.visible_to(request.auth.user_id).present().select_related("blob")
    file = own.filter(pk=data["file"]).first()
    if file is None:
        raise NotFound("there is no such file of yours")
    return file
