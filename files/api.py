"""`/api/v1/files`: the caller's own files, up and down."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import TooLarge
from files import services
from files.models import StoredFile
from files.storage import told_when_full

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
BINARY = "application/octet-stream"


class FileSerializer(serializers.ModelSerializer[StoredFile]):
    """A named file and its content's hash."""

    sha256 = serializers.CharField(source="blob_id", read_only=True)
    size_bytes = serializers.IntegerField(source="blob.size_bytes", read_only=True)

    class Meta:
        model = StoredFile
        fields = ("id", "name", "content_type", "sha256", "size_bytes", "created_at")
        read_only_fields = fields


class FileUploadSerializer(serializers.Serializer[Any]):
    """One file as multipart form data."""

    file = serializers.FileField(allow_empty_file=True, max_length=None)
    name = serializers.CharField(required=False, help_text="instead of the name it was sent with")


class FileViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[StoredFile]):
    """The caller's own files, newest first."""

    queryset = StoredFile.objects.select_related("blob")
    serializer_class = FileSerializer
    parser_classes = [MultiPartParser]
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {"download": "files.view_storedfile"}

    def get_queryset(self) -> QuerySet[StoredFile]:
        """Narrow to the caller's own."""
        return super().get_queryset().filter(owner_id=self.request.auth.user_id if self.request.auth else None)

    @extend_schema(request={"multipart/form-data": FileUploadSerializer}, responses={201: FileSerializer})
    def create(self, request: Request) -> Response:
        """Keep a file."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(f"a file may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
        with told_when_full():
            sent = FileUploadSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        file = sent.validated_data["file"]
        kind = file.content_type if _TYPE.fullmatch(file.content_type or "") else BINARY
        name = sent.validated_data.get("name") or file.name
        stored = services.add_file(stream=file, name=name, owner=request.user, content_type=kind)
        return Response(FileSerializer(stored).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a file away."""
        services.remove_file(stored=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, BINARY): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> FileResponse:
        """Give the bytes as an attachment that no browser runs or shows."""
        return as_attachment(self.get_object())


def as_attachment(stored: StoredFile) -> FileResponse:
    """Give a file's bytes with the headers that keep a browser from running them."""
    stream = services.open_blob(stored.blob)
    response = FileResponse(stream, as_attachment=True, filename=stored.name, content_type=stored.content_type)
    response["Content-Length"] = str(stored.blob.size_bytes)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["ETag"] = f'"{stored.blob_id}"'
    response["Cache-Control"] = "private, no-transform"
    return response
