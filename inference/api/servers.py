"""`/api/v1/servers`: servers elsewhere, their models, and versions made of these."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import NotAllowed
from inference.models import RemoteServer
from inference.models.remote import HEADER_LENGTH, NAME_LENGTH, URL_LENGTH
from inference.remote.places import BEARER
from inference.services import remote as services
from registry.api.versions import VersionDetailSerializer
from registry.manifest import MAX_BATCH
from registry.models import ModelVersion, RegisteredModel
from registry.services import check_jobs


class ServerSerializer(serializers.ModelSerializer[RemoteServer]):
    """A server; its credential is never told."""

    has_credential = serializers.BooleanField(source="credential", read_only=True)
    has_own_ca = serializers.BooleanField(source="ca_pem", read_only=True)
    versions = serializers.IntegerField(read_only=True, help_text="how many versions run there")

    class Meta:
        model = RemoteServer
        fields = (
            "name", "kind", "base_url", "header", "has_credential", "has_own_ca", "timeout_s", "versions", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class NewServerSerializer(serializers.Serializer[Any]):
    """A server to be known."""

    name = serializers.CharField(max_length=NAME_LENGTH)
    base_url = serializers.CharField(max_length=URL_LENGTH, help_text="what stands before /v2")
    credential = serializers.CharField(required=False, allow_blank=True, write_only=True, trim_whitespace=False)
    header = serializers.CharField(required=False, max_length=HEADER_LENGTH, default=BEARER)
    ca_pem = serializers.CharField(required=False, allow_blank=True, default="", help_text="own authority, PEM")
    timeout_s = serializers.FloatField(required=False, default=10.0)


class ServerChangeSerializer(serializers.Serializer[Any]):
    """What shall be otherwise; another address needs the credential again, an empty one takes it away."""

    base_url = serializers.CharField(required=False, max_length=URL_LENGTH)
    credential = serializers.CharField(required=False, allow_blank=True, write_only=True, trim_whitespace=False)
    header = serializers.CharField(required=False, max_length=HEADER_LENGTH)
    ca_pem = serializers.CharField(required=False, allow_blank=True)
    timeout_s = serializers.FloatField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class OfferedSerializer(serializers.Serializer[Any]):
    """A model in the server's index."""

    name = serializers.CharField()
    version = serializers.CharField()
    state = serializers.CharField()


class RegisterSerializer(serializers.Serializer[Any]):
    """Which model of the server becomes a version of which model here."""

    model = serializers.CharField(max_length=100, help_text="the model here; it is made if there is none")
    remote_model = serializers.CharField(max_length=255)
    remote_version = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")
    signature = serializers.DictField(required=False, help_text="where the server tells none")
    sample = serializers.DictField(required=False, help_text="inputs to check it with")
    max_batch = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_BATCH,
        default=None,
        help_text="up to how many rows calls travel together, 1: each alone; without it as the server says",
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000, default="")


class ServerViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RemoteServer]):
    """Servers by name."""

    queryset = RemoteServer.objects.annotate(versions=Count("models"))
    serializer_class = ServerSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    slow_actions = ("register",)
    permission_map = {
        "create": "inference.add_remoteserver",
        "partial_update": "inference.change_remoteserver",
        "destroy": "inference.delete_remoteserver",
        "models": "inference.view_remoteserver",
        "register": "registry.add_modelversion",
    }

    @extend_schema(request=NewServerSerializer, responses={201: ServerSerializer})
    def create(self, request: Request) -> Response:
        """Make a server known; nothing is asked of it yet."""
        wanted = checked(NewServerSerializer, request)
        server = services.add_server(actor=request.user, **wanted)
        return Response(self._shown(server), status=status.HTTP_201_CREATED)

    @extend_schema(request=ServerChangeSerializer, responses=ServerSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change a server."""
        wanted = checked(ServerChangeSerializer, request)
        server = services.change_server(server=self.get_object(), actor=request.user, **wanted)
        return Response(self._shown(server))

    def destroy(self, request: Request, name: str) -> Response:
        """Forget a server and its credential; not while versions run there."""
        services.remove_server(server=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=OfferedSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def models(self, request: Request, name: str) -> Response:
        """Ask the server which models it has; empty where it has no index."""
        return Response(OfferedSerializer(services.offered_models(server=self.get_object()), many=True).data)

    @extend_schema(
        request=RegisterSerializer,
        responses={202: OpenApiResponse(VersionDetailSerializer, "Kept; the job at `Location` checks it")},
    )
    @action(detail=True, methods=["post"])
    def register(self, request: Request, name: str) -> Response:
        """Make a model of the server a version here. The job that `Location` names checks it."""
        data = checked(RegisterSerializer, request)
        model, description = data.pop("model"), data.pop("description")
        is_new = not RegisteredModel.objects.filter(name=model).exists()
        if is_new and not request.auth.may("registry.add_registeredmodel"):
            raise NotAllowed("you may not make a new model", fields={"model": "is not known"})
        found = services.look_at_remote(name=model, server=self.get_object(), **data)
        with self.effect() as kept:  # type: ignore[attr-defined]
            version = services.register_remote(model=model, kept=found, actor=request.user, description=description)
            kept.response = _added(request, version)
        return kept.response

    def _shown(self, server: RemoteServer) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=server.pk)).data


def _added(request: Request, version: ModelVersion) -> Response:
    job = check_jobs(version).first()
    location = {"Location": request.build_absolute_uri(f"/api/v1/jobs/{job.pk}")} if job else {}
    return Response(VersionDetailSerializer(version).data, status=status.HTTP_202_ACCEPTED, headers=location)
