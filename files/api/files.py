"""`/api/v1/files`: the caller's own files, up and down."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import JsonParser
from common.errors import TooLarge
from common.lookups import LONGEST_SEARCH
from files import services
from files.downloads import send_file
from files.models import BINARY, StoredFile
from files.storage import told_when_full
from guards.api import Idempotent


class FileSerializer(serializers.ModelSerializer[StoredFile]):
    """A named file and its content's hash."""

    sha256 = serializers.CharField(source="blob_id", read_only=True)
    size_bytes = serializers.IntegerField(source="blob.size_bytes", read_only=True)

    class Meta:
        model = StoredFile
        fields = ("id", "name", "folder", "content_type", "sha256", "size_bytes", "created_at", "deleted_at")
        read_only_fields = fields


class FileUploadSerializer(serializers.Serializer[Any]):
    """One file as multipart form data."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)
    name = serializers.CharField(required=False, help_text="instead of the name it was sent with")
    folder = serializers.CharField(required=False, allow_blank=True, default="")


class FileChangeSerializer(serializers.Serializer[Any]):
    """What may be changed of a file."""

    name = serializers.CharField(required=False)
    folder = serializers.CharField(required=False, allow_blank=True)


class FileFilter(filters.FilterSet):
    """Narrows the list."""

    folder = filters.CharFilter(help_text="the exact folder")
    name = filters.CharFilter(lookup_expr="icontains", max_length=LONGEST_SEARCH, help_text="part of the name")
    is_deleted = filters.BooleanFilter(method="in_bin", help_text="the bin instead of what is there")

    class Meta:
        model = StoredFile
        fields = ("folder", "name", "is_deleted")

    def in_bin(self, queryset: QuerySet[StoredFile], _name: str, value: bool) -> QuerySet[StoredFile]:
        """Show the bin, or what is there."""
        return queryset.filter(deleted_at__isnull=not value)


class FileViewSet(Idempotent, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[StoredFile]):
    """The caller's own files, newest first."""

    queryset = StoredFile.objects.select_related("blob")
    serializer_class = FileSerializer
    filterset_class = FileFilter
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {"content": "files.view_storedfile", "restore": "files.delete_storedfile"}
    slow_actions = ("create",)
    open_to_limited = ("create",)  # one's own, as the scope `files` says

    def get_queryset(self) -> QuerySet[StoredFile]:
        """Narrow to the caller's own; the bin is seen by its list, by id and by `restore` only."""
        own = super().get_queryset().visible_to(self.request.auth.user_id if self.request.auth else None)
        is_all = self.action in ("restore", "retrieve") or "is_deleted" in self.request.query_params
        return own if is_all else own.present()

    def get_parsers(self) -> list[Any]:
        """Take multipart where a file comes, JSON elsewhere; the action itself is not set yet here."""
        is_post = self.request is None or self.request.method == "POST"
        is_upload = is_post and getattr(self, "action_map", {}).get("post") == "create"
        return [MultiPartParser()] if is_upload else [JsonParser()]

    @extend_schema(request={"multipart/form-data": FileUploadSerializer}, responses={201: FileSerializer})
    def create(self, request: Request) -> Response:
        """Keep a file that comes in one piece; large ones go through `/api/v1/uploads`."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(f"a file may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
        with told_when_full():
            sent = FileUploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file, name = sent.validated_data["file"], sent.validated_data.get("name")
        folder = sent.validated_data["folder"]
        blob = services.store(file)
        with self.effect() as kept:
            stored = services.name_blob(blob=blob, name=name or file.name, folder=folder, owner=request.user)
            kept.response = Response(FileSerializer(stored).data, status=status.HTTP_201_CREATED)
        return kept.response

    @extend_schema(request=FileChangeSerializer, responses=FileSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a file, or move it to another folder."""
        wanted = FileChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        stored = services.change_file(stored=self.get_object(), actor=request.user, **wanted.validated_data)
        return Response(FileSerializer(stored).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Put a file in the bin."""
        services.remove_file(stored=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=FileSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take a file out of the bin."""
        return Response(FileSerializer(services.restore_file(stored=self.get_object(), actor=request.user)).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="RFC 9110, up to 20 ranges"),
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
        ],
        responses={
            (200, BINARY): OpenApiTypes.BINARY,
            (206, BINARY): OpenApiTypes.BINARY,
            304: None,
            307: None,
            416: OpenApiResponse(description="No such bytes"),
        },
    )
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the bytes as an attachment that no browser runs or shows."""
        return send_file(request._request, self.get_object())
