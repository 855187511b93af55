"""`/api/v1/uploads`: large files in, by tus 1.0.0 or straight to S3. Source: https://tus.io/protocols/resumable-upload"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import EVERY_ACTION, JsonParser
from common.bodies import take_body
from common.errors import FluemanError, Invalid
from files import services
from files.models import Upload
from files.reception import ALGORITHMS, Reception
from files.services import direct

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
CHUNK_TYPE = "application/offset+octet-stream"
_HEADER = OpenApiParameter.HEADER
_SIZE = {"min_value": 0, "max_value": 2**62}


class OtherVersion(FluemanError):
    """The client speaks another version of tus."""

    status = 412
    code = "tus_version"


class OtherType(FluemanError):
    """The body is not what a PATCH of tus carries."""

    status = 415
    code = "unsupported_media_type"


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload: how far it is, and what it became."""

    part_count = serializers.IntegerField(read_only=True)
    part_bytes = serializers.IntegerField(read_only=True)
    file = serializers.UUIDField(source="file_id", read_only=True, allow_null=True)

    class Meta:
        model = Upload
        fields = (
            "id", "name", "folder", "size_bytes", "sha256", "way", "is_temporary", "state", "refusal", "received_bytes",
            "part_bytes", "part_count", "file", "created_at", "expires_at",
        )  # fmt: skip
        read_only_fields = fields


class UploadBeginSerializer(serializers.Serializer[Any]):
    """What is to come."""

    name = serializers.CharField()
    size_bytes = serializers.IntegerField(**_SIZE)
    sha256 = serializers.CharField(required=False, allow_blank=True, default="")
    folder = serializers.CharField(required=False, allow_blank=True, default="")
    is_temporary = serializers.BooleanField(
        required=False, default=False, help_text="becomes no file; its id may be used for a model version"
    )
    way = serializers.ChoiceField(
        choices=[(way.value, way.label) for way in (Upload.Way.TUS, Upload.Way.MULTIPART)],
        required=False,
        default=Upload.Way.TUS,
        help_text="on disk always tus",
    )


class PartNumbersSerializer(serializers.Serializer[Any]):
    """Parts that are to be sent, counted from 1."""

    numbers = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=100)


class PartSerializer(serializers.Serializer[Any]):
    """One part of a multipart upload."""

    number = serializers.IntegerField()
    size_bytes = serializers.IntegerField(source="size")


class PartAddressSerializer(serializers.Serializer[Any]):
    """Where a part goes, by PUT, with a body of just this size."""

    number = serializers.IntegerField()
    url = serializers.URLField()
    size_bytes = serializers.IntegerField()


class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Upload]):
    """The caller's own uploads, newest first."""

    queryset = Upload.objects.all()
    serializer_class = UploadSerializer
    parser_classes = [JsonParser]
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {
        **dict.fromkeys(("list", "retrieve", "metadata", "parts"), "files.view_storedfile"),
        **dict.fromkeys(("create", "partial_update", "destroy", "complete", "addresses"), "files.add_storedfile"),
    }
    open_to_limited = EVERY_ACTION  # one's own, as the scope `files` says

    own_keys = ("complete", "addresses")  # finishing twice changes nothing, and addresses have no effect

    def get_queryset(self) -> QuerySet[Upload]:
        """Narrow to the caller's own that have not expired."""
        owner = self.request.auth.user_id if self.request.auth else None
        return super().get_queryset().filter(owner_id=owner, expires_at__gt=timezone.now())

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Honour the method that a client behind an old proxy means, and say which version of tus is spoken."""
        if request.method == "POST" and (meant := request.headers.get("X-HTTP-Method-Override", "").upper()):
            request.method = meant if meant in ("PATCH", "DELETE") else request.method
        response = super().dispatch(request, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse other versions of tus."""
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable", VERSION) != VERSION:
            self.headers["Tus-Version"] = VERSION
            raise OtherVersion(f"this is tus {VERSION}")

    @extend_schema(
        request=UploadBeginSerializer,
        parameters=[
            OpenApiParameter("Upload-Length", int, _HEADER, description="tus: instead of a body"),
            OpenApiParameter("Upload-Metadata", str, _HEADER, description="tus: `filename`, `folder`, `sha256`"),
        ],
        responses={201: UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """Begin an upload, by JSON or as tus does by headers; its address is in `Location`."""
        values = _from_tus(request) if "Upload-Length" in request.headers else request.data
        wanted = UploadBeginSerializer(data=values)
        wanted.is_valid(raise_exception=True)
        upload = services.begin_upload(owner=request.user, **wanted.validated_data)
        if upload.size_bytes == 0:
            upload = services.finish_upload(upload=upload)
        place = request.build_absolute_uri(f"/api/v1/uploads/{upload.pk}")
        headers = {"Location": place, **_headers(upload)}
        return Response(UploadSerializer(upload).data, status=status.HTTP_201_CREATED, headers=headers)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell how far an upload is; the headers are those of tus."""
        upload = self.get_object()
        headers = {**_headers(upload), "Upload-Length": str(upload.size_bytes), "Cache-Control": "no-store"}
        encoded = b64encode(upload.name.encode()).decode()
        return Response(UploadSerializer(upload).data, headers={**headers, "Upload-Metadata": f"filename {encoded}"})

    @extend_schema(
        request={CHUNK_TYPE: OpenApiTypes.BINARY},
        parameters=[
            OpenApiParameter("Upload-Offset", int, _HEADER, required=True),
            OpenApiParameter("Upload-Checksum", str, _HEADER, description="`sha256` or `sha1`, a space, base64"),
        ],
        responses={204: None},
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        """Take the bytes from an offset on; the last ones finish the upload. `Content-Location` names its file."""
        upload = self.get_object()
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != CHUNK_TYPE:
            raise OtherType(f"the body must be of type {CHUNK_TYPE}")
        reception = Reception(
            upload, offset=_whole(request, "Upload-Offset"), checksum=_checksum(request), answer=_received
        )
        return take_body(request._request, reception)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget an upload; a file that it has become stays."""
        services.cancel_upload(upload=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say what of tus is spoken here."""
        names = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(settings.MAX_UPLOAD_BYTES),
        }
        return Response(status=status.HTTP_204_NO_CONTENT, headers=names)

    @extend_schema(request=None, responses=UploadSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Check what came and make it a file; calling it again changes nothing."""
        return Response(UploadSerializer(services.finish_upload(upload=self.get_object())).data)

    @extend_schema(responses=PartSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def parts(self, request: Request, pk: str) -> Response:
        """Tell which parts of a multipart upload S3 has."""
        return Response(PartSerializer(direct.parts_of(upload=self.get_object()), many=True).data)

    @extend_schema(request=PartNumbersSerializer, responses=PartAddressSerializer(many=True))
    @action(detail=True, methods=["post"], pagination_class=None)
    def addresses(self, request: Request, pk: str) -> Response:
        """Give the addresses that parts are PUT to, good for an hour."""
        wanted = PartNumbersSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        found = direct.addresses(upload=self.get_object(), numbers=wanted.validated_data["numbers"])
        return Response(PartAddressSerializer(found, many=True).data)


def _received(upload: Upload) -> HttpResponse:
    return HttpResponse(status=204, headers={"Tus-Resumable": VERSION, **_headers(upload)})


def _headers(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.received_bytes), "Upload-Expires": http_date(upload.expires_at.timestamp())}
    if upload.file_id:
        headers["Content-Location"] = f"/api/v1/files/{upload.file_id}"
    return headers


def _from_tus(request: Request) -> Mapping[str, Any]:
    values: dict[str, Any] = {"size_bytes": _whole(request, "Upload-Length")}
    for pair in filter(None, request.headers.get("Upload-Metadata", "").split(",")):
        name, _, encoded = pair.strip().partition(" ")
        try:
            values[name] = b64decode(encoded, validate=True).decode()
        except ValueError:
            raise _invalid("Upload-Metadata", "must hold names and base64 of UTF-8") from None
    return {"name": values.get("filename", "upload"), **values}


def _whole(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _invalid(header, "must be a whole number")
    return int(text)


def _checksum(request: Request) -> tuple[str, bytes] | None:
    if "Upload-Checksum" not in request.headers:
        return None
    algorithm, _, encoded = request.headers["Upload-Checksum"].partition(" ")
    if algorithm not in ALGORITHMS:
        raise _invalid("Upload-Checksum", f"must be one of {', '.join(ALGORITHMS)}")
    try:
        return algorithm, b64decode(encoded, validate=True)
    except ValueError:
        raise _invalid("Upload-Checksum", "must be base64") from None


def _invalid(header: str, problem: str) -> Invalid:
    return Invalid(f"{header}: {problem}", fields={header: problem})
