"""`/api/v1/models/{model}/versions/{number}/settings`: how a version runs, and its measurement."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import FiniteField, checked
from inference import services
from inference.models import VersionSettings
from inference.models.settings import LEAST_SHARE, MAX_PROCESSES, MAX_THREADS
from registry.manifest import MAX_BATCH
from registry.models import ModelVersion


class SettingsSerializer(serializers.ModelSerializer[VersionSettings]):
    """How a version runs; nought and empty stand for the settings of the installation."""

    live = serializers.SerializerMethodField(help_text="processes that serve now")

    class Meta:
        model = VersionSettings
        fields = ("processes", "threads", "max_batch", "device", "half", "device_share", "live", "measured")
        read_only_fields = fields

    def get_live(self, own: VersionSettings) -> int:
        """Count the processes that serve."""
        return own.version.replicas.count()


class SettingsChangeSerializer(serializers.Serializer[Any]):
    """What shall be otherwise."""

    processes = serializers.IntegerField(required=False, min_value=1, max_value=MAX_PROCESSES)
    threads = serializers.IntegerField(required=False, min_value=0, max_value=MAX_THREADS)
    max_batch = serializers.IntegerField(required=False, min_value=0, max_value=MAX_BATCH)
    device = serializers.CharField(required=False, allow_blank=True, max_length=10, help_text="cpu, cuda:0 or auto")
    half = serializers.ChoiceField(required=False, allow_blank=True, choices=["bf16", "fp16"])
    device_share = FiniteField(required=False, min_value=LEAST_SHARE, max_value=1)
    compile = serializers.BooleanField(
        required=False, default=False, source="is_compiled", help_text="refused: no compiler runs behind the walls"
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class MeasuringSerializer(serializers.Serializer[Any]):
    """The job that measures."""

    job = serializers.UUIDField()


class VersionSettingsViewSet(viewsets.GenericViewSet[VersionSettings]):
    """How one version runs."""

    queryset = VersionSettings.objects.all()
    serializer_class = SettingsSerializer
    pagination_class = None
    permission_map = {
        "run_settings": "inference.view_versionsettings",
        "change": "inference.change_versionsettings",
        "measure": "inference.change_versionsettings",
    }

    @extend_schema(responses=SettingsSerializer)
    @action(detail=False, url_path="settings")
    def run_settings(self, request: Request, model: str, number: str) -> Response:
        """Give how the version runs, and what it was measured to do."""
        return Response(SettingsSerializer(services.settings_of(self._version())).data)

    @extend_schema(request=SettingsChangeSerializer, responses=SettingsSerializer)
    @run_settings.mapping.patch
    def change(self, request: Request, model: str, number: str) -> Response:
        """Change how the version runs; fresh processes take over when they have loaded."""
        wanted = checked(SettingsChangeSerializer, request)
        own = services.set_version_settings(version=self._version(), actor=request.user, **wanted)
        return Response(SettingsSerializer(own).data)

    @extend_schema(request=None, responses={202: OpenApiResponse(MeasuringSerializer, "The job at `Location`")})
    @action(detail=False, methods=["post"])
    def measure(self, request: Request, model: str, number: str) -> Response:
        """Have the version measured by the job that `Location` names."""
        job = services.ask_measurement(version=self._version(), actor=request.user)
        location = request.build_absolute_uri(reverse("job-detail", args=[job.pk]))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED, headers={"Location": location})

    def _version(self) -> ModelVersion:
        found = ModelVersion.objects.present().select_related("model")
        return get_object_or_404(found, model__name=self.kwargs["model"], number=self.kwargs["number"])
