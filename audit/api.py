"""The audit trail for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from audit.downloads import begin_export, response_of
from audit.models import AuditEvent, AuditPerson
from audit.people import names_of
from audit.proofs import begin_proof
from audit.sentences import references_in, sentence
from audit.status import chain_status
from common.api.inputs import checked


class EventOut(serializers.ModelSerializer[AuditEvent]):
    """An event, with its sentence and the clear names of people who were not erased."""

    sentence = serializers.SerializerMethodField()
    actor_name = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = [*(field.name for field in AuditEvent._meta.fields), "sentence", "actor_name"]
        read_only_fields = fields

    def get_sentence(self, event: AuditEvent) -> str:
        """Say what happened, in the language of the request."""
        return sentence(event, self.context["names"])

    def get_address(self, event: AuditEvent) -> str:
        """Give where it came from, unless that was erased."""
        names: Mapping[str, str] = self.context["names"]
        return names.get(event.address, event.address)

    def get_actor_name(self, event: AuditEvent) -> str:
        """Give the name of the person, or the part of the system, that acted."""
        names: Mapping[str, str] = self.context["names"]
        return names.get(event.actor, event.actor)


class EventFilter(django_filters.FilterSet):
    """By whom, what, to what, when."""

    actor = django_filters.CharFilter(method="by_actor", help_text="user name or reference")
    action = django_filters.CharFilter(lookup_expr="startswith")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields = ["target_type", "target_id", "outcome", "request_id"]

    def by_actor(self, queryset: QuerySet[AuditEvent], _name: str, value: str) -> QuerySet[AuditEvent]:
        """Keep events of a person by name, or of a reference or part of the system."""
        people = AuditPerson.objects.filter(label=value, erased_at=None).values_list("reference", flat=True)
        return queryset.filter(actor__in=[value, *people])


class ChainOut(serializers.Serializer[Any]):
    """How the chain stands."""

    verdict = serializers.ChoiceField(choices=["whole", "broken", "unknown"])
    problem = serializers.CharField()
    verified_at = serializers.DateTimeField(source="proof.at", default=None, allow_null=True)
    events = serializers.IntegerField()
    signed_until = serializers.IntegerField()
    signed_at = serializers.DateTimeField(allow_null=True)
    anchored_until = serializers.IntegerField()
    sealed_until = serializers.IntegerField()
    root_key = serializers.CharField(help_text="SHA-256 of the first public key")
    warnings = serializers.ListField(child=serializers.CharField())


class ExportIn(serializers.Serializer[Any]):
    """Which events; nothing for the whole chain."""

    first = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    last = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class WorkOut(serializers.Serializer[Any]):
    """The job that does it; its result tells what came of it."""

    job = serializers.UUIDField()


class AuditEventViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[AuditEvent]):
    """Events, newest first; nothing here can be changed."""

    queryset = AuditEvent.objects.all()
    serializer_class = EventOut
    filterset_class = EventFilter
    lookup_value_regex = "[0-9]{1,18}"
    permission_map = {
        "chain": "audit.view_auditevent",
        "verify": "audit.verify_auditevent",
        "exports": "audit.export_auditevent",
        "export": "audit.view_auditevent",
    }

    names: Mapping[str, str] = {}

    def paginate_queryset(self, queryset: QuerySet[AuditEvent]) -> list[AuditEvent]:
        """Give a page, with the names of its people asked for once."""
        page: list[AuditEvent] = super().paginate_queryset(queryset)
        self.names = names_of(reference for event in page for reference in references_in(event))
        return page

    def get_object(self) -> AuditEvent:
        """Give one event, with the names of its people."""
        event: AuditEvent = super().get_object()
        self.names = names_of(references_in(event))
        return event

    def get_serializer_context(self) -> dict[str, Any]:
        """Hand the names on."""
        return {**super().get_serializer_context(), "names": self.names}

    @extend_schema(responses=ChainOut)
    @action(detail=False, filterset_class=None, pagination_class=None)
    def chain(self, _request: Request) -> Response:
        """Say how the chain stands: its last verification, how far it is signed and anchored."""
        status = chain_status()
        return Response(ChainOut(status).data)

    @extend_schema(request=None, responses={202: WorkOut})
    @action(detail=False, methods=["post"])
    def verify(self, request: Request) -> Response:
        """Have the whole chain verified."""
        return _begun(begin_proof(actor=request.user))

    @extend_schema(request=ExportIn, responses={202: WorkOut})
    @action(detail=False, methods=["post"])
    def exports(self, request: Request) -> Response:
        """Have a part of the chain exported; the job's result holds the number of the event to fetch it by."""
        wanted = checked(ExportIn, request)
        return _begun(begin_export(actor=request.user, **wanted))

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True)
    def export(self, _request: Request, pk: str) -> FileResponse:
        """Send an export: `pk` is the number of the event that tells of it."""
        return response_of(self.get_object())


def _begun(job: str) -> Response:
    return Response({"job": job}, status=202, headers={"Location": f"/api/v1/jobs/{job}"})
