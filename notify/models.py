"""Notices that leave the house: who wants which, and each one on its way."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from common.sealing import SealedField


class Subscriber(models.Model):
    """Somebody who is told of events."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    events = models.JSONField(_("events"), default=list, help_text=_("kinds of events; empty: none"))
    is_enabled = models.BooleanField(_("in use"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Channel(Subscriber):
    """A mailbox that is told of events."""

    class Language(models.TextChoices):
        KOREAN = "ko", _("Korean")
        ENGLISH = "en", _("English")

    address = models.EmailField(_("e-mail address"))
    language = models.CharField(_("language"), max_length=2, choices=Language, default=Language.KOREAN)

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        ordering = ["name"]
        permissions = [("test_channel", _("Can send a test to a mailbox"))]


class Webhook(Subscriber):
    """An address that is told of events by signed calls. Source: standardwebhooks.com, version 1.0."""

    class Form(models.TextChoices):
        STANDARD = "standard", _("Standard Webhooks")
        MLFLOW = "mlflow", "MLflow"

    form = models.CharField(
        _("form of the calls"), max_length=10, choices=Form, default=Form.STANDARD, db_default=Form.STANDARD
    )
    description = models.CharField(_("description"), max_length=1000, blank=True, default="", db_default="")
    url = models.CharField(_("address"), max_length=2000)
    secret = SealedField(_("secret"), blank=True, default="")
    old_secret = SealedField(_("old secret"), blank=True, default="")
    old_secret_until = models.DateTimeField(_("old secret signs until"), null=True, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    disabled_reason = models.CharField(_("why it is out of use"), max_length=300, blank=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, db_default=Now())

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]
        permissions = [("test_webhook", _("Can send a test to a webhook"))]


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Reads of deliveries."""

    def waiting(self) -> DeliveryQuerySet:
        """Notices that are still to be brought."""
        return self.filter(state=Delivery.State.WAITING)

    def of_subscribers(self) -> DeliveryQuerySet:
        """Notices of events, without letters to single people."""
        return self.filter(Q(channel__isnull=False) | Q(kind=Delivery.Kind.WEBHOOK))

    def visible_to(self, may: Callable[[str], bool]) -> DeliveryQuerySet:
        """All for those who may see the people: letters, such as those of a forgotten password, are theirs."""
        return self if may("accounts.view_user") else self.of_subscribers()

    def with_obstacle(self) -> DeliveryQuerySet:
        """Add to each why it cannot be brought once more, nothing where it can: an `Obstacle`."""
        kinds, why = Delivery.Kind, Delivery.Obstacle
        is_uncalled = Q(kind=kinds.WEBHOOK) & (Q(webhook=None) | Q(webhook__is_enabled=False))
        obstacle = models.Case(
            models.When(kind=kinds.EMAIL, letter="", then=models.Value(why.WIPED)),
            models.When(Q(channel__is_enabled=False) | is_uncalled, then=models.Value(why.OUT_OF_USE)),
            models.When(state=Delivery.State.WAITING, then=models.Value(why.ON_ITS_WAY)),
            default=models.Value(""),
        )
        return self.annotate(obstacle=obstacle)

    def replayable(self) -> DeliveryQuerySet:
        """Notices that can be brought once more."""
        return self.with_obstacle().filter(Q(obstacle=""))


class Delivery(models.Model):
    """One notice to one place: written with what it tells of, brought at least once under the same id."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")

    class State(models.TextChoices):
        WAITING = "waiting", _("on its way")
        SENT = "sent", _("delivered")
        DEAD = "dead", _("given up")

    class Obstacle(StrEnum):
        WIPED = "letter_wiped"
        OUT_OF_USE = "out_of_use"
        ON_ITS_WAY = "not_replayable"

    obstacle: str
    """Only of rows read `with_obstacle`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    event = models.CharField(_("event"), max_length=60, help_text=_("kind of event, or template of a letter"))
    recipient = models.CharField(_("recipient"), max_length=500)
    language = models.CharField(max_length=2, blank=True)
    subject = models.CharField(_("subject"), max_length=300, blank=True)
    body = models.TextField(blank=True, help_text=_("what a webhook gets, byte by byte"))
    letter = SealedField(blank=True, default="", help_text=_("sealed text of an e-mail; wiped once it was sent"))
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.SET_NULL, verbose_name=_("mailbox"))
    webhook = models.ForeignKey(Webhook, null=True, blank=True, on_delete=models.SET_NULL, verbose_name=_("webhook"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    error = models.CharField(_("last trouble"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("replay_delivery", _("Can bring a notice once more"))]
        indexes = [
            # The sweep: notices whose next attempt is due.
            models.Index(fields=["state", "due_at"], name="notify_delivery_by_due"),
            # What a webhook has under way, and what of it is due next.
            models.Index(fields=["webhook", "state", "due_at"], name="notify_delivery_by_webhook"),
            # The last notices of one event, newest first.
            models.Index(fields=["event", "id"], name="notify_delivery_by_event"),
        ]

    def __str__(self) -> str:
        return self.subject or self.event

    @property
    def payload(self) -> Any:
        """What a webhook is told of the event, none for a letter."""
        return orjson.loads(self.body).get("data") if self.body else None


class Attempt(models.Model):
    """One try to bring a notice, and what was answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(auto_now_add=True)
    status = models.PositiveSmallIntegerField(null=True, help_text=_("of HTTP or SMTP; none if there was no answer"))
    took_ms = models.FloatField()
    answer = models.TextField(blank=True, help_text=_("its first 1,024 bytes"))
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ()
        ordering = ["id"]

    def __str__(self) -> str:
        return self.error or str(self.status)
