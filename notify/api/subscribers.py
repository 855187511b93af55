"""`/api/v1/webhooks`, `/api/v1/mailboxes`: who is told of what; `/api/v1/events`: what one can be told of."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common.api.inputs import ReasonIn, checked
from notify import events, subscriptions
from notify.api.deliveries import DeliveryOut
from notify.models import Channel, Subscriber, Webhook

_COMMON = ("id", "name", "events", "is_enabled")
_MADE = ("created_by", "created_at")
MOST_EVENTS = 100


class SubscriberOut(serializers.ModelSerializer[Subscriber]):
    """What all who are told of events have in common."""

    events = serializers.ListField(child=serializers.CharField(), read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)


class WebhookOut(SubscriberOut):
    """A webhook without its secret, and of its address the host: the rest may be as good as a password."""

    host = serializers.CharField(source="url", read_only=True)

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = (
            *_COMMON, "host", "form", "description", "failing_since", "disabled_reason", "old_secret_until", *_MADE,
        )  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: Webhook) -> dict[str, Any]:
        """Give the host for the address."""
        return {**super().to_representation(instance), "host": subscriptions.host(instance)}


class WebhookDetailOut(WebhookOut):
    """A webhook with its whole address."""

    class Meta(WebhookOut.Meta):
        fields = (*WebhookOut.Meta.fields, "url")
        read_only_fields = fields


class WebhookMadeOut(WebhookDetailOut):
    """A webhook with a new secret: `secret` is shown this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookDetailOut.Meta):
        fields = (*WebhookDetailOut.Meta.fields, "secret")
        read_only_fields = fields


class MailboxOut(SubscriberOut):
    """A mailbox."""

    class Meta:
        model = Channel
        fields = (*_COMMON, "address", "language", *_MADE)
        read_only_fields = fields


class SubscriberIn(serializers.Serializer[Any]):
    """A name, and names of events as `/api/v1/events` lists them."""

    name = serializers.CharField(max_length=100)
    events = serializers.ListField(
        child=serializers.CharField(max_length=100), allow_empty=False, max_length=MOST_EVENTS
    )


class WebhookIn(SubscriberIn):
    """An address of the public network, and what it is told."""

    url = serializers.CharField(max_length=2000)
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class WebhookChangeIn(WebhookIn, ReasonIn):
    """What shall be otherwise."""


class MailboxIn(SubscriberIn):
    """A mailbox, the language of its letters, and what it is told."""

    address = serializers.EmailField(max_length=254)
    language = serializers.ChoiceField(choices=Channel.Language.choices)


class MailboxChangeIn(MailboxIn, ReasonIn):
    """What shall be otherwise."""


class EventKindOut(serializers.Serializer[Any]):
    """A kind of event: its name, what it means, and an example of its payload."""

    name = serializers.CharField()
    label = serializers.CharField()
    example = serializers.DictField()


@extend_schema_serializer(many=False)
class EventKindsOut(serializers.Serializer[Any]):
    """All kinds."""

    results = EventKindOut(many=True)


class SubscriberViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Any]):
    """What webhooks and mailboxes have in common."""

    filterset_fields = ("name", "is_enabled")
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse keys for some deployments."""
        super().initial(request, *args, **kwargs)
        request.auth.demand_all_models("notices tell of all of them")

    def destroy(self, request: Request, pk: str) -> Response:
        """Take it away; what is still on its way there is given up."""
        subscriptions.remove(subscriber=self.get_object(), actor=request.user)
        return Response(status=204)

    @extend_schema(request=ReasonIn, responses={202: DeliveryOut})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Put a test on its way; the delivery that `Location` names says how it went."""
        sent = subscriptions.send_test(subscriber=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(DeliveryOut(sent).data, status=202, headers={"Location": f"/api/v1/deliveries/{sent.pk}"})

    @extend_schema(request=ReasonIn)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Tell it of events again."""
        return self._change(request, ReasonIn, is_enabled=True)

    @extend_schema(request=ReasonIn)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Tell it of nothing more."""
        return self._change(request, ReasonIn, is_enabled=False)

    def _change(self, request: Request, given: type[serializers.Serializer[Any]], **more: Any) -> Response:
        wanted = checked(given, request, partial=True)
        changed = subscriptions.change(subscriber=self.get_object(), actor=request.user, **wanted, **more)
        return Response(self.get_serializer(changed).data)


class WebhookViewSet(SubscriberViewSet):
    """Systems outside that are called, with a signature, when something happens."""

    queryset = Webhook.objects.select_related("created_by")
    permission_map = {
        "test": "notify.test_webhook",
        "enable": "notify.change_webhook",
        "disable": "notify.change_webhook",
        "rotate": "notify.change_webhook",
    }

    def get_serializer_class(self) -> type[WebhookOut]:
        """Show the address of one, not of many."""
        return WebhookOut if self.action == "list" else WebhookDetailOut

    @extend_schema(request=WebhookIn, responses={201: WebhookMadeOut})
    def create(self, request: Request) -> Response:
        """Let an address be told of events; the answer is the only place where its secret is ever shown."""
        webhook, secret = subscriptions.create_webhook(actor=request.user, **checked(WebhookIn, request))
        return _shown_once(webhook, secret, 201)

    @extend_schema(request=WebhookChangeIn)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change its name, its address or what it is told."""
        return self._change(request, WebhookChangeIn)

    @extend_schema(request=ReasonIn, responses=WebhookMadeOut)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Give a new secret, shown only here; for a day the old one signs too (MLflow's form knows one only)."""
        given = checked(ReasonIn, request)
        webhook, secret = subscriptions.rotate_secret(webhook=self.get_object(), actor=request.user, **given)
        return _shown_once(webhook, secret, 200)


class MailboxViewSet(SubscriberViewSet):
    """Mailboxes that are written to when something happens."""

    queryset = Channel.objects.select_related("created_by")
    serializer_class = MailboxOut
    permission_map = {
        "test": "notify.test_channel",
        "enable": "notify.change_channel",
        "disable": "notify.change_channel",
    }

    @extend_schema(request=MailboxIn, responses={201: MailboxOut})
    def create(self, request: Request) -> Response:
        """Let a mailbox be told of events."""
        made = subscriptions.create_channel(actor=request.user, **checked(MailboxIn, request))
        return Response(MailboxOut(made).data, status=201)

    @extend_schema(request=MailboxChangeIn)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change its name, its address, its language or what it is told."""
        return self._change(request, MailboxChangeIn)


class EventViewSet(GenericViewSet[Webhook]):
    """Kinds of events."""

    queryset = Webhook.objects.none()
    pagination_class = None

    @extend_schema(responses=EventKindsOut)
    def list(self, request: Request) -> Response:
        """Give all that a webhook or a mailbox can be told of."""
        kinds = [{"name": name, "label": one.label, "example": one.example} for name, one in events.EVENTS.items()]
        return Response(EventKindsOut({"results": kinds}).data)


def _shown_once(webhook: Webhook, secret: str, status: int) -> Response:
    body = {**WebhookDetailOut(webhook).data, "secret": secret}
    return Response(body, status=status, headers={"Cache-Control": "no-store"})
