"""`/api/v1/preprocessing-jobs`: the making of dataset versions; how far, will it finish, what went wrong."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from datasets import services
from datasets.models import PreprocessingJob, PreprocessingStep


class PreprocessingStepOut(serializers.ModelSerializer[PreprocessingStep]):
    """One step: rows in and out, some of what it changed, and what only its kind tells."""

    label = serializers.CharField(source="in_words", read_only=True)
    samples = serializers.ListField(child=serializers.DictField(), read_only=True)
    report = serializers.DictField(read_only=True)

    class Meta:
        model = PreprocessingStep
        fields = (
            "number", "kind", "label", "state", "progress", "rows_in", "rows_out", "worked_ms", "samples", "report",
        )  # fmt: skip
        read_only_fields = fields


class PreprocessingJobOut(serializers.ModelSerializer[PreprocessingJob]):
    """The making of a version by an import, a recipe or a split; `job` is its id at `/api/v1/jobs`."""

    dataset = serializers.CharField(source="version.dataset.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    version_state = serializers.CharField(source="version.state", read_only=True)
    rows = serializers.IntegerField(source="version.rows", read_only=True)
    rejected_rows = serializers.IntegerField(source="version.rejected_rows", read_only=True)
    state = serializers.CharField(source="job.state", default=None, read_only=True, help_text="null: long over")
    progress = serializers.IntegerField(source="job.progress", default=None, read_only=True, help_text="percent")
    error = serializers.CharField(source="job.error", default="", read_only=True)
    attempts = serializers.IntegerField(source="job.attempts", default=None, read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    started_at = serializers.DateTimeField(source="job.started_at", default=None, read_only=True)
    finished_at = serializers.DateTimeField(source="job.finished_at", default=None, read_only=True)

    class Meta:
        model = PreprocessingJob
        fields = (
            "id", "kind", "engine", "dataset", "version", "version_state", "rows", "rejected_rows", "state", "progress",
            "error", "attempts", "rows_total", "peak_memory_bytes", "job", "created_by", "created_at", "started_at",
            "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class PreprocessingJobDetailOut(PreprocessingJobOut):
    """The same with its steps."""

    steps = PreprocessingStepOut(many=True, read_only=True)

    class Meta(PreprocessingJobOut.Meta):
        fields = (*PreprocessingJobOut.Meta.fields, "steps")
        read_only_fields = fields


class PreprocessingReason(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class PreprocessingJobFilter(django_filters.FilterSet):
    """Of one kind, in one state, for one dataset."""

    state = django_filters.CharFilter(field_name="job__state")
    dataset = django_filters.CharFilter(field_name="version__dataset__name")

    class Meta:
        model = PreprocessingJob
        fields = ["kind", "engine"]


class PreprocessingJobViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[PreprocessingJob]):
    """Jobs that make dataset versions."""

    queryset = PreprocessingJob.objects.select_related("version__dataset", "job", "created_by")
    filterset_class = PreprocessingJobFilter
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {"cancel": "jobs.cancel_job", "retry": "jobs.retry_job"}

    def get_serializer_class(self) -> type[PreprocessingJobOut]:
        """Show the steps of one job, not of many."""
        return PreprocessingJobOut if self.action == "list" else PreprocessingJobDetailOut

    @extend_schema(request=PreprocessingReason, responses=PreprocessingJobDetailOut)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a waiting job at once, ask a running one to stop."""
        return self._do(request, services.cancel_preprocessing)

    @extend_schema(request=PreprocessingReason, responses={202: PreprocessingJobDetailOut})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Go on with a failed or cancelled job, behind what is done."""
        return self._do(request, services.retry_preprocessing, code=202)

    def _do(self, request: Request, verb: Any, code: int = 200) -> Response:
        sent = PreprocessingReason(data=request.data)
        sent.is_valid(raise_exception=True)
        found = self.get_object()
        verb(preprocessing=found, actor=request.user, reason=sent.validated_data["reason"])
        return Response(self.get_serializer(self.get_queryset().get(pk=found.pk)).data, status=code)
