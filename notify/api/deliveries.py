"""`/api/v1/deliveries`: did it arrive, what was answered; and once more."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common.api.inputs import ReasonIn, checked
from notify import services
from notify.models import Attempt, Channel, Delivery, Webhook

LAST = 100


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    """A notice to one place; `recipient` is an e-mail address or the host of a webhook."""

    mailbox = serializers.PrimaryKeyRelatedField(source="channel", read_only=True)

    class Meta:
        model = Delivery
        fields = (
            "id", "kind", "state", "event", "subject", "recipient", "webhook", "mailbox", "attempts", "due_at", "error",
            "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class AttemptOut(serializers.ModelSerializer[Attempt]):
    """One try, and what was answered."""

    class Meta:
        model = Attempt
        fields = ("at", "status", "took_ms", "answer", "error")
        read_only_fields = fields


class DeliveryDetailOut(DeliveryOut):
    """A notice with its last tries, newest first, and what a webhook is told; texts of letters are not shown."""

    payload = serializers.SerializerMethodField()
    tries = serializers.SerializerMethodField()

    class Meta(DeliveryOut.Meta):
        fields = (*DeliveryOut.Meta.fields, "payload", "tries")
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_payload(self, delivery: Delivery) -> Any:
        """Give what the event is about, none for a letter."""
        return delivery.payload

    @extend_schema_field(AttemptOut(many=True))
    def get_tries(self, delivery: Delivery) -> list[dict[str, Any]]:
        """Give the last tries."""
        return list(AttemptOut(delivery.tries.order_by("-id")[:LAST], many=True).data)


class DeliveryFilter(django_filters.FilterSet):
    """In one state, of one event, to one place."""

    mailbox = django_filters.ModelChoiceFilter(field_name="channel", queryset=Channel.objects.all())
    webhook = django_filters.ModelChoiceFilter(queryset=Webhook.objects.all())

    class Meta:
        model = Delivery
        fields = ["state", "kind", "event"]


class DeliveryViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Delivery]):
    """Notices on their way, delivered, or given up."""

    queryset = Delivery.objects.all()
    filterset_class = DeliveryFilter
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"
    permission_map = {"replay": "notify.replay_delivery"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse keys for some deployments."""
        super().initial(request, *args, **kwargs)
        request.auth.demand_all_models("notices tell of all of them")

    def filter_queryset(self, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Keep what the caller may see."""
        return super().filter_queryset(queryset).visible_to(self.request.auth.may)

    def get_serializer_class(self) -> type[DeliveryOut]:
        """Show the tries of one notice, not of many."""
        return DeliveryOut if self.action == "list" else DeliveryDetailOut

    @extend_schema(request=ReasonIn, responses={202: DeliveryDetailOut})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Bring it once more under its old id; 409 while it is on its way, or when its text is gone."""
        again = services.replay(delivery=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(DeliveryDetailOut(again).data, status=202)
