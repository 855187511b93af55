"""The audit trail for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.viewsets import GenericViewSet

from audit.models import AuditEvent, AuditPerson
from audit.people import names_of
from audit.sentences import references_in, sentence


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


class AuditEventViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[AuditEvent]):
    """Events, newest first; nothing here can be changed."""

    queryset = AuditEvent.objects.all()
    serializer_class = EventOut
    filterset_class = EventFilter
    lookup_value_regex = "[0-9]{1,18}"

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
