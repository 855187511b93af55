"""`/api/v1/schedules`: what is begun by itself, when next; made, changed, paused and run now."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from jobs import services, timing
from jobs.api.jobs import JobOut, JobReason
from jobs.models import Schedule


class ScheduleOut(serializers.ModelSerializer[Schedule]):
    """A schedule: what, when, when next."""

    class Meta:
        model = Schedule
        fields = (
            "id", "name", "kind", "cron", "every_s", "time_zone", "is_enabled", "is_built_in", "next_run_at",
            "last_run_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class ScheduleIn(serializers.Serializer[Any]):
    """When it fires: a cron line of five parts or an interval, and in which time zone the line is read."""

    name = serializers.CharField(max_length=100)
    cron = serializers.CharField(max_length=100, required=False, allow_blank=True)
    every_s = serializers.IntegerField(min_value=1, max_value=timing.LONGEST_S, required=False, allow_null=True)
    time_zone = serializers.CharField(max_length=64, required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class NewScheduleIn(ScheduleIn):
    """What a new schedule begins, too."""

    kind = serializers.CharField(max_length=100)


class ScheduleViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Schedule]):
    """What is begun by itself."""

    queryset = Schedule.objects.all()
    serializer_class = ScheduleOut
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {
        "run": "jobs.run_schedule",
        "pause": "jobs.change_schedule",
        "resume": "jobs.change_schedule",
    }

    @extend_schema(request=NewScheduleIn, responses={201: ScheduleOut})
    def create(self, request: Request) -> Response:
        """Make a schedule."""
        made = services.add_schedule(actor=request.user, **self._wanted(NewScheduleIn))
        return Response(ScheduleOut(made).data, status=201)

    @extend_schema(request=ScheduleIn, responses=ScheduleOut)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change its name or its times."""
        wanted = self._wanted(ScheduleIn, partial=True)
        changed = services.update_schedule(schedule=self.get_object(), actor=request.user, **wanted)
        return Response(ScheduleOut(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a schedule that is not built in; its runs stay."""
        services.remove_schedule(schedule=self.get_object(), actor=request.user)
        return Response(status=204)

    @extend_schema(request=JobReason, responses={202: JobOut})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Begin a run now."""
        job = services.run_schedule(schedule=self.get_object(), actor=request.user, **self._wanted(JobReason))
        return Response(JobOut(job).data, status=202, headers={"Location": f"/api/v1/jobs/{job.pk}"})

    @extend_schema(request=JobReason, responses=ScheduleOut)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Let it fire no more."""
        return self._switch(services.pause_schedule)

    @extend_schema(request=JobReason, responses=ScheduleOut)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let it fire again, from now on."""
        return self._switch(services.resume_schedule)

    def _switch(self, verb: Any) -> Response:
        changed = verb(schedule=self.get_object(), actor=self.request.user, **self._wanted(JobReason))
        return Response(ScheduleOut(changed).data)

    def _wanted(self, kind: type[serializers.Serializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        wanted = kind(data=self.request.data, partial=partial)
        wanted.is_valid(raise_exception=True)
        return wanted.validated_data
