"""The Kubernetes manifest of a deployment, for the view of deployments."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from inference.elsewhere.manifests import as_file, manifest_of


class ManifestQuerySerializer(serializers.Serializer[Any]):
    """Which version, and where the cluster finds its files."""

    version = serializers.IntegerField(required=False, min_value=1, default=None)
    storage_uri = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class WritesManifest:
    """The door to a manifest."""

    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="its number; else the canary, else the live one"),
            OpenApiParameter("storage_uri", str, description="folder with the version's files that KServe can read"),
        ],
        responses={(200, "application/yaml"): OpenApiTypes.STR},
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def manifest(self, request: Request, name: str) -> HttpResponse:
        """Give the KServe `InferenceService` with which Kubernetes runs the deployment's version."""
        wanted = ManifestQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        text = manifest_of(self.get_object(), **wanted.validated_data)  # type: ignore[attr-defined]
        return as_file(name, text)
