"""Did it arrive? Each notice, and each attempt to bring it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.display import ago, badge, duration
from notify import events, services
from notify.models import Delivery

State = Delivery.State
_TONES = {State.WAITING: "busy", State.SENT: "good", State.DEAD: "bad"}


def shown(delivery: Delivery) -> dict[str, Any]:
    """Give what one line about a delivery says."""
    return {
        "row": delivery,
        "url": reverse("admin:notify_delivery_change", args=[delivery.pk]),
        "what": what(delivery),
        "state": state_of(delivery),
    }


def what(delivery: Delivery) -> str:
    """Say what it tells of."""
    if delivery.kind == Delivery.Kind.EMAIL:
        return delivery.subject
    if delivery.event == events.TEST:
        return gettext("test")
    known = events.ALL.get(delivery.event)
    return str(known.label) if known else delivery.event


def state_of(delivery: Delivery) -> SafeString:
    """Give the state; one that waits after a failure is no longer just on its way."""
    if delivery.state == State.WAITING and delivery.error:
        return badge("slow", gettext("tried again"))
    return badge(delivery.state, delivery.get_state_display(), _TONES[State(delivery.state)])


def _replay(*, obj: Delivery, actor: Any, reason: str) -> str:
    services.replay(delivery=obj, actor=actor, reason=reason)
    return gettext("It is on its way once more.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """All notices, newest first."""

    question = _("Did what we told the world arrive?")
    empty_text = _("E-mails and calls of webhooks appear here, with each attempt and what was answered.")
    detail_template = "admin/notify/delivery.html"
    list_display = ("label", "to", "shown_state", "trouble", "when")
    list_filter = ("state", "kind")
    search_fields = ("recipient", "id")
    search_help_text = _("recipient or id")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="replay",
            label=_("Send once more"),
            permission="notify.replay_delivery",
            run=_replay,
            is_offered=lambda delivery: Delivery.objects.replayable().filter(pk=delivery.pk).exists(),
            is_primary=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Keep what the person may see."""
        found = super().get_queryset(request).select_related("channel", "webhook")
        return found.visible_to(request.user.has_perm)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say whether it arrived."""
        words = {
            State.WAITING: gettext("%(what)s is on its way to %(to)s"),
            State.SENT: gettext("%(what)s has arrived at %(to)s"),
            State.DEAD: gettext("%(what)s was given up for %(to)s"),
        }
        return words[obj.state] % {"what": what(obj), "to": obj.recipient}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give each attempt, and what is sent."""
        tries = [
            {"row": one, "took": duration(one.took_ms), "is_good": not one.error} for one in obj.tries.order_by("-id")
        ]
        return {
            "state": state_of(obj),
            "what": what(obj),
            "tries": tries,
            "payload": obj.payload,
            "place": obj.channel or obj.webhook,
            "place_url": _place_url(obj),
        }

    @admin.display(description=_("notice"))
    def label(self, obj: Any) -> str:
        """Say what it tells of."""
        return what(obj)

    @admin.display(description=_("recipient"))
    def to(self, obj: Any) -> str:
        """Give the place."""
        return str(obj.recipient)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state."""
        return state_of(obj)

    @admin.display(description=_("last trouble"))
    def trouble(self, obj: Any) -> str:
        """Say what went wrong last."""
        return str(obj.error)[:100] or "–"

    @admin.display(description=_("created"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)


def _place_url(delivery: Delivery) -> str:
    if delivery.channel_id:
        return reverse("admin:notify_channel_change", args=[delivery.channel_id])
    return reverse("admin:notify_webhook_change", args=[delivery.webhook_id]) if delivery.webhook_id else ""
