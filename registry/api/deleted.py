"""`/api/v1/deleted-models` and `/api/v1/deleted-versions`: what can still be restored, or removed for good."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from common.api.inputs import checked
from registry import services
from registry.api.models import ModelSerializer
from registry.api.versions import VersionReasonSerializer, VersionSerializer
from registry.models import ModelVersion, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS

PURGE = "registry.purge_registeredmodel"
RESTORE = "registry.restore_registeredmodel"


class WeightSerializer(serializers.Serializer[Any]):
    """What a purge took; `freed_bytes` leave the store within the hour."""

    versions = serializers.IntegerField()
    files = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    freed_bytes = serializers.IntegerField()


class DeletedSerializer(serializers.ModelSerializer[Any]):
    """When something was deleted, and when it is removed for good."""

    purged_at = serializers.SerializerMethodField()

    def get_purged_at(self, row: RegisteredModel | ModelVersion) -> datetime | None:
        """Give the end of its days in the bin."""
        return row.deleted_at and row.deleted_at + timedelta(days=settings.DELETED_KEEP_DAYS)


class DeletedModelSerializer(DeletedSerializer):
    """A deleted model under the name that it had."""

    name = serializers.CharField(source="deleted_name")

    class Meta:
        model = RegisteredModel
        fields = ("id", "name", "description", "task", "last_version", "deleted_at", "purged_at")
        read_only_fields = fields


class DeletedVersionSerializer(DeletedSerializer):
    """A deleted version of a model that is not deleted."""

    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number")

    class Meta:
        model = ModelVersion
        fields = (
            "id", "model", "version", "state_before", "format", "description", "size_bytes", "deleted_at", "purged_at",
        )  # fmt: skip
        read_only_fields = fields


class RestoreModelSerializer(VersionReasonSerializer):
    """Why, and under which name if its own has been given away."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARACTERS, default="")


class PurgeSerializer(VersionReasonSerializer):
    """Why, and the name typed to confirm: `intent` for a model, `intent v3` for a version."""

    typed = serializers.CharField(max_length=200)


class AskedSerializer(serializers.Serializer[Any]):
    """The job that removes a model."""

    job = serializers.CharField()


class DeletedModelViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RegisteredModel]
):  # fmt: skip
    """Deleted models by id."""

    queryset = RegisteredModel.objects.deleted()
    serializer_class = DeletedModelSerializer
    lookup_value_regex = "[0-9]{1,40}"
    keyset = "-id"
    permission_map = {"restore": RESTORE, "purge": PURGE}

    @extend_schema(request=RestoreModelSerializer, responses=ModelSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Bring a model back with the versions that went with it."""
        model = services.restore_model(
            model=self.get_object(), actor=request.user, **checked(RestoreModelSerializer, request)
        )
        return Response(ModelSerializer(model).data)

    @extend_schema(request=PurgeSerializer, responses={202: OpenApiResponse(AskedSerializer, "The job at `Location`")})
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Have the job that `Location` names remove a model for good."""
        job = services.ask_purge(model=self.get_object(), actor=request.user, **checked(PurgeSerializer, request))
        location = {"Location": reverse("job-detail", args=[job.pk], request=request)}
        return Response({"job": str(job.pk)}, status=status.HTTP_202_ACCEPTED, headers=location)


class DeletedVersionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ModelVersion]):
    """Deleted versions by id; those of deleted models go and come back with them."""

    queryset = ModelVersion.objects.deleted().filter(model__deleted_at=None).select_related("model")
    serializer_class = DeletedVersionSerializer
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    keyset = "-id"
    permission_map = {"restore": RESTORE, "purge": PURGE}

    @extend_schema(request=VersionReasonSerializer, responses=VersionSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Give a version back the state that it had."""
        version = services.restore_version(
            version=self.get_object(), actor=request.user, **checked(VersionReasonSerializer, request)
        )
        return Response(VersionSerializer(version).data)

    @extend_schema(request=PurgeSerializer, responses=WeightSerializer)
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Remove a version for good."""
        gone = services.purge_version(
            version=self.get_object(), actor=request.user, **checked(PurgeSerializer, request)
        )
        return Response(WeightSerializer(gone).data)
