"""`/api/v1/models/{model}/versions`: added from files, checked, trusted, archived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import JsonParser
from common.errors import Invalid, NotFound, TooLarge
from common.strict_json import loads
from datasets.models import DatasetVersion
from datasets.services import find_version
from files.services import find_uploaded, use_up
from files.storage import told_when_full
from guards.api import Idempotent
from registry import services
from registry.api.models import REASON
from registry.intake import Source
from registry.models import ModelVersion, RegisteredModel


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """One version of a model."""

    model = serializers.CharField(source="model.name", read_only=True)
    version = serializers.IntegerField(source="number", read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    aliases = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = (
            "id", "model", "version", "state", "refusal", "format", "description", "metrics", "aliases", "is_trusted",
            "is_waiting_for_trust", "size_bytes", "digest", "created_by", "created_at", "checked_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_aliases(self, version: ModelVersion) -> list[str]:
        """Names that point at it."""
        return [alias.name for alias in version.aliases.all()]


class VersionFileSerializer(serializers.Serializer[Any]):
    """One file of a version."""

    path = serializers.CharField()
    sha256 = serializers.CharField(source="blob_id")
    size_bytes = serializers.IntegerField(source="blob.size_bytes")


class VersionDetailSerializer(VersionSerializer):
    """One version with its files, signature, and what its check found."""

    files = VersionFileSerializer(many=True, read_only=True)
    tags = serializers.SerializerMethodField()
    trained_on = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = (
            *VersionSerializer.Meta.fields,
            "signature",
            "manifest",
            "check_report",
            "files",
            "tags",
            "trained_on",
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_tags(self, version: ModelVersion) -> dict[str, str]:
        """Values by key."""
        return {tag.key: tag.value for tag in version.tags.all()}

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_trained_on(self, version: ModelVersion) -> list[str]:
        """Dataset versions that it was trained on, as `NAME:3`."""
        known = [one.dataset_version for one in version.training_data.all()]
        return [f"{one.dataset.name}:{one.number}" for one in known]


class AddedSerializer(VersionDetailSerializer):
    """A version that was just added: the job of its check, and older versions with the same content."""

    job = serializers.CharField(allow_null=True)
    same_content_as = serializers.ListField(child=serializers.IntegerField())

    class Meta(VersionDetailSerializer.Meta):
        fields = (*VersionDetailSerializer.Meta.fields, "job", "same_content_as")
        read_only_fields = fields


class UploadSerializer(serializers.Serializer[Any]):
    """Files of a version, or one zip archive of them, as multipart form data."""

    files = serializers.ListField(
        child=serializers.FileField(), required=False, help_text="the files, or one zip archive of a folder"
    )
    paths = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="their paths in the folder, where not just names"
    )
    uploads = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=500, help_text="finished uploads, instead of files"
    )
    manifest = serializers.CharField(required=False, help_text="flueman.json, if it is not among the files")
    metrics = serializers.CharField(required=False, help_text="JSON object of numbers by name")
    trained_on = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        max_length=100,
        help_text="dataset versions that it was trained on, as NAME:3",
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000)


class VersionReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class VersionChangeSerializer(serializers.Serializer[Any]):
    """The one thing of a version that may change."""

    description = serializers.CharField(allow_blank=True, max_length=20_000)


class VersionViewSet(
    Idempotent, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ModelVersion]
):
    """Versions of one model by number."""

    queryset = ModelVersion.objects.present().select_related("model", "created_by").prefetch_related("aliases")
    serializer_class = VersionSerializer
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"
    keyset = "-number"
    slow_actions = ("create",)
    permission_map = {
        "recheck": "registry.add_modelversion",
        "trust": "registry.trust_modelversion",
        "archive": "registry.archive_modelversion",
    }

    def get_queryset(self) -> QuerySet[ModelVersion]:
        """Narrow to the model of the address; files and tags only where they are shown."""
        found = super().get_queryset().filter(model__name=self.kwargs.get("model"))
        more = ("files__blob", "tags", "training_data__dataset_version__dataset")
        return found if self.action == "list" else found.prefetch_related(*more)

    def get_serializer_class(self) -> type[VersionSerializer]:
        """Show all of a version except in lists."""
        return VersionSerializer if self.action == "list" else VersionDetailSerializer

    @extend_schema(
        request={"multipart/form-data": UploadSerializer},
        responses={202: OpenApiResponse(AddedSerializer, "Kept; the job at `Location` checks it")},
    )
    def create(self, request: Request, model: str) -> Response:
        """Add a version from its files. They are kept at once and checked by the job that `Location` names."""
        registered = get_object_or_404(RegisteredModel.objects.present(), name=model)
        sent = read_upload(request)
        uploads, files, manifest = sent.pop("uploads"), sent.pop("files"), sent.pop("manifest")
        held = services.keep_files(name=registered.name, files=files, manifest=manifest, actor=request.user)
        with self.effect() as kept:
            version = services.insert_version(model=registered, kept=held, actor=request.user, **sent)
            kept.response = self._added(request, version)
        use_up(ids=uploads, owner=request.user)
        return kept.response

    @extend_schema(request=VersionChangeSerializer, responses=VersionDetailSerializer)
    def partial_update(self, request: Request, model: str, number: str) -> Response:
        """Change the description."""
        wanted = VersionChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.update_version(version=self.get_object(), actor=request.user, **wanted.validated_data)
        return self.retrieve(request)

    @extend_schema(parameters=[REASON], responses={204: None})
    def destroy(self, request: Request, model: str, number: str) -> Response:
        """Delete the version: it can be restored for DELETED_KEEP_DAYS. Refused while it is in use."""
        reason = request.query_params.get("reason", "")[:1000]
        services.delete_version(version=self.get_object(), actor=request.user, reason=reason)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=VersionReasonSerializer, responses={202: VersionDetailSerializer})
    @action(detail=True, methods=["post"])
    def recheck(self, request: Request, model: str, number: str) -> Response:
        """Have the version checked again; this also brings an archived one back."""
        return self._do(request, services.recheck, status.HTTP_202_ACCEPTED)

    @extend_schema(request=VersionReasonSerializer, responses={202: VersionDetailSerializer})
    @action(detail=True, methods=["post"])
    def trust(self, request: Request, model: str, number: str) -> Response:
        """Let a version that is a program run, for a reason, and have it checked."""
        return self._do(request, services.trust_version, status.HTTP_202_ACCEPTED)

    @extend_schema(request=VersionReasonSerializer, responses=VersionDetailSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, model: str, number: str) -> Response:
        """Put the version away."""
        return self._do(request, services.archive_version, status.HTTP_200_OK)

    def get_parsers(self) -> list[Any]:
        """Take multipart for the one action that takes files, JSON elsewhere; the action itself is not set yet here."""
        is_post = self.request is None or self.request.method == "POST"
        is_upload = is_post and getattr(self, "action_map", {}).get("post") == "create"
        return [MultiPartParser()] if is_upload else [JsonParser()]

    def _added(self, request: Request, version: ModelVersion) -> Response:
        job = services.check_jobs(version).first()
        same = version.model.versions.present().exclude(pk=version.pk).filter(digest=version.digest)
        version.job = f"/api/v1/jobs/{job.pk}" if job else None  # type: ignore[attr-defined]
        version.same_content_as = list(same.values_list("number", flat=True))  # type: ignore[attr-defined]
        location = {"Location": request.build_absolute_uri(version.job)} if job else {}  # type: ignore[attr-defined]
        return Response(AddedSerializer(version).data, status=status.HTTP_202_ACCEPTED, headers=location)

    def _do(self, request: Request, verb: Any, code: int) -> Response:
        wanted = VersionReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        verb(version=self.get_object(), actor=request.user, reason=wanted.validated_data["reason"])
        return Response(self.get_serializer(self.get_object()).data, status=code)


def read_upload(request: Request) -> dict[str, Any]:
    """Give what `add_version` takes from a multipart request. Raises Invalid, TooLarge, StorageFull."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(f"an upload may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
    with told_when_full():
        form = request.data
    files = form.getlist("files") + form.getlist("archive")
    texts = UploadSerializer(data={**({"files": files} if files else {}), **_texts(form)})
    texts.is_valid(raise_exception=True)
    sent = texts.validated_data
    uploads = sent.get("uploads", [])
    found = find_uploaded(ids=uploads, owner=request.user)
    named = [(file.name, file) for file in sent.get("files", [])] + list(found.values())
    if not named:
        raise Invalid("send files, or uploads", fields={"files": "send files, or uploads"})
    return {
        "uploads": uploads,
        "files": _by_path([file for _, file in named], sent.get("paths") or [name for name, _ in named]),
        "manifest": _object(sent, "manifest"),
        "metrics": _numbers(_object(sent, "metrics")),
        "description": sent.get("description", ""),
        "trained_on": [_trained_on(name) for name in sent.get("trained_on", [])],
    }


def _trained_on(name: str) -> DatasetVersion:
    try:
        return find_version(name)
    except NotFound as error:
        raise Invalid(error.message, fields={"trained_on": error.message}) from None


def _texts(form: Any) -> dict[str, Any]:
    texts = {name: form[name] for name in ("manifest", "metrics", "description") if form.get(name)}
    return texts | {name: form.getlist(name) for name in ("paths", "uploads", "trained_on") if form.getlist(name)}


def _by_path(files: list[Source], paths: list[str]) -> dict[str, Source]:
    if len(paths) != len(files) or len(set(paths)) != len(paths):
        raise Invalid("send one path, each another, for each file", fields={"paths": f"{len(paths)} for {len(files)}"})
    return dict(zip(paths, files, strict=True))


def _object(sent: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    if name not in sent:
        return None
    value = loads(sent[name].encode())
    if not isinstance(value, dict):
        raise Invalid(f"{name}: must be an object", fields={name: "must be an object"})
    return value


def _numbers(value: dict[str, Any] | None) -> dict[str, Any] | None:
    for name, number in (value or {}).items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Invalid(f"metrics.{name}: must be a number", fields={f"metrics.{name}": "must be a number"})
    return value
