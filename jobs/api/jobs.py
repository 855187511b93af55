"""`/api/v1/jobs`: how far, will it finish, what went wrong; cancelled and tried again."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common.api.inputs import checked
from jobs import services
from jobs.models import Job, JobLog

LINES = 200


class JobOut(serializers.ModelSerializer[Job]):
    """A job: what, for whom, how far, how it ended."""

    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = Job
        fields = (
            "id", "kind", "state", "priority", "progress", "step", "target_type", "target_id", "target_label", "result",
            "error", "attempts", "max_attempts", "due_at", "cancel_requested_at", "heartbeat_at", "schedule",
            "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class JobLogOut(serializers.ModelSerializer[JobLog]):
    """A line that a job wrote."""

    class Meta:
        model = JobLog
        fields = ("id", "at", "attempt", "level", "message")
        read_only_fields = fields


class JobDetailOut(JobOut):
    """A job with the last lines of its log, oldest first."""

    logs = serializers.SerializerMethodField()

    class Meta(JobOut.Meta):
        fields = (*JobOut.Meta.fields, "payload", "logs")
        read_only_fields = fields

    @extend_schema_field(JobLogOut(many=True))
    def get_logs(self, job: Job) -> list[dict[str, Any]]:
        """Give the last lines."""
        return list(JobLogOut(reversed(job.logs.order_by("-id")[:LINES]), many=True).data)


class JobReason(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class JobFilter(django_filters.FilterSet):
    """Of one kind, in one state, for one target."""

    class Meta:
        model = Job
        fields = ["kind", "state", "target_type", "target_id", "schedule"]


class JobViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Job]):
    """Work that takes longer than a request."""

    queryset = Job.objects.select_related("created_by")
    filterset_class = JobFilter
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {"cancel": "jobs.cancel_job", "retry": "jobs.retry_job", "log": "jobs.view_job"}

    def get_serializer_class(self) -> type[JobOut]:
        """Show the log of one job, not of many."""
        return JobOut if self.action == "list" else JobDetailOut

    @extend_schema(responses=JobLogOut(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def log(self, request: Request, pk: str) -> Response:
        """Give the lines that the job wrote, newest first, a page at a time."""
        page = self.paginate_queryset(self.get_object().logs.all())
        return self.get_paginated_response(JobLogOut(page, many=True).data)

    @extend_schema(request=JobReason, responses=JobDetailOut)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a waiting job at once, ask a running one to stop."""
        return self._do(request, services.cancel)

    @extend_schema(request=JobReason, responses={202: JobDetailOut})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Put a failed or cancelled job back in the queue."""
        return self._do(request, services.retry, code=202)

    def _do(self, request: Request, verb: Any, code: int = 200) -> Response:
        wanted = checked(JobReason, request)
        job = verb(job=self.get_object(), actor=request.user, reason=wanted["reason"])
        return Response(self.get_serializer(job).data, status=code)
