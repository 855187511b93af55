"""`/api/v1/webhooks`, `/api/v1/mailboxes`, `/api/v1/deliveries` and `/api/v1/events`."""

from notify.api.deliveries import DeliveryViewSet
from notify.api.subscribers import EventViewSet, MailboxViewSet, WebhookViewSet

__all__ = ["DeliveryViewSet", "EventViewSet", "MailboxViewSet", "WebhookViewSet"]
