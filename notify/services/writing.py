"""Writing what people and systems outside are told: letters and events, each a row on its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from common.destinations import host_of, split
from common.errors import Invalid
from common.sealing import seal
from common.transactions import transactional
from notify import events, letters, webhooks
from notify.models import Channel, Delivery, Webhook
from notify.services._handing_over import hand_over, is_free, lease, takes_letters


@transactional
def send_email(
    *,
    to: str,
    template: str,
    context: Mapping[str, Any],
    language: str,
    actor: Any = None,
    channel: Channel | None = None,
    event: str = "",
) -> Delivery:
    """Write a letter into the caller's transaction; a worker sends it after the commit, again and again if need be.

    While many to this address are under way it waits for its turn, unless a person asks for it. Raises Invalid for an
    address or template that is none. Its text is kept sealed, and wiped once it was sent.
    """
    try:
        validate_email(to)
    except ValidationError:
        raise Invalid(_("this is no e-mail address"), fields={"to": _("is no e-mail address")}) from None
    subject, text = letters.write(template, language, context)
    is_at_once = actor is not None or takes_letters(to)
    delivery = Delivery.objects.create(
        kind=Delivery.Kind.EMAIL,
        event=event or template,
        recipient=to,
        language=language if language in letters.LANGUAGES else "en",
        subject=subject,
        letter=seal(text),
        channel=channel,
        due_at=lease() if is_at_once else timezone.now(),
    )
    if is_at_once:
        hand_over(delivery, actor)
    return delivery


@transactional
def publish(*, event: str, payload: Mapping[str, Any], target: Model | None = None) -> list[Delivery]:
    """Tell all who want to know of an event, in the caller's transaction; letters lead to `target`. Raises Invalid."""
    events.find(event)
    mailboxes = [one for one in Channel.objects.filter(is_enabled=True) if event in one.events]
    hooks = [one for one in Webhook.objects.filter(is_enabled=True) if event in one.events]
    return [
        *(write_to_channel(channel=one, event=event, payload=payload, target=target) for one in mailboxes),
        *(write_to_webhook(webhook=one, event=event, payload=payload) for one in hooks),
    ]


def write_to_channel(
    *, channel: Channel, event: str, payload: Mapping[str, Any], target: Model | None = None
) -> Delivery:
    """Put one event on its way to a mailbox, in its language."""
    with translation.override(channel.language):
        known = events.find(event)
        context = {
            "title": str(known.label),
            "sentence": known.say(payload),
            "url": _page_of(target),
            "channel": channel.name,
        }
        return send_email(
            to=channel.address,
            template="event",
            context=context,
            language=channel.language,
            channel=channel,
            event=event,
        )


def write_to_webhook(*, webhook: Webhook, event: str, payload: Mapping[str, Any], actor: Any = None) -> Delivery:
    """Put one event on its way to a webhook; the bytes stay the same over all attempts.

    While the webhook fails or has much to take, the event waits for the sweep; what a person asks for does not.
    """
    if actor is None and not is_free(webhook):
        return written(webhook, event, payload, due_at=timezone.now())
    delivery = written(webhook, event, payload)
    hand_over(delivery, actor)
    return delivery


def written(webhook: Webhook, event: str, payload: Mapping[str, Any], **more: Any) -> Delivery:
    """Keep a call of a webhook, without giving it to anybody."""
    return Delivery.objects.create(
        kind=Delivery.Kind.WEBHOOK,
        event=event,
        recipient=host_of(split(webhook.url)),
        subject=Truncator(events.find(event).say(payload)).chars(200),
        body=orjson.dumps(webhooks.body_of(webhook, event, payload), default=str).decode(),
        webhook=webhook,
        **{"due_at": lease(), **more},
    )


def _page_of(target: Model | None) -> str:
    """Give the address of a row's page, empty where it has none."""
    if target is None:
        return ""
    try:
        name = f"admin:{target._meta.label_lower.replace('.', '_')}_change"
        return f"{settings.PUBLIC_URL}{reverse(name, args=[target.pk])}"
    except NoReverseMatch:
        return ""
