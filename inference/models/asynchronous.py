"""Predictions whose callers do not wait for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from notify.models import Webhook

if TYPE_CHECKING:
    from accounts.models import User


class AsynchronousPredictionQuerySet(models.QuerySet["AsynchronousPrediction"]):
    """Reads of asynchronous predictions."""

    def visible_to(self, user: User) -> AsynchronousPredictionQuerySet:
        """All for those who may see other people's calls, else the user's own."""
        if user.has_perm("inference.view_any_inferencerequest"):
            return self
        return self.filter(user_id=user.pk)

    def unfinished(self) -> AsynchronousPredictionQuerySet:
        """Those that wait or run."""
        return self.filter(state__in=[AsynchronousPrediction.State.QUEUED, AsynchronousPrediction.State.RUNNING])


class AsynchronousPrediction(models.Model):
    """A call that is answered later: the row is the truth, web processes take turns at running it.

    `due_at` is when something is to be done with the row: waiting, its next attempt; running, the end of its lease;
    ended, when it is forgotten.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    deployment = models.CharField(_("deployment"), max_length=100)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    user_id = models.BigIntegerField()
    key_id = models.UUIDField(null=True)
    key_prefix = models.CharField(max_length=60, blank=True)
    caller = models.CharField(_("caller"), max_length=150)
    address = models.CharField(max_length=64, blank=True)
    body = models.TextField(blank=True, help_text=_("as it was sent; empty when it is a blob"))
    body_blob = models.CharField(max_length=64, blank=True, help_text=_("SHA-256 of a body too large for the row"))
    webhook = models.ForeignKey(
        Webhook, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("webhook")
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    claim = models.UUIDField(null=True, editable=False, help_text=_("the attempt that may write here"))
    due_at = models.DateTimeField(_("due"))
    deadline_at = models.DateTimeField(_("to be answered until"))
    request_id = models.UUIDField(_("request"), null=True)
    result = models.TextField(_("answer"), blank=True)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error = models.TextField(_("error message"), blank=True)
    created_at = models.DateTimeField(_("created"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = AsynchronousPredictionQuerySet.as_manager()

    class Meta:
        verbose_name = _("asynchronous prediction")
        verbose_name_plural = _("asynchronous predictions")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("cancel_asynchronousprediction", _("Can cancel asynchronous predictions of other people"))]
        indexes = [
            # Whose turn it is, whose lease has run out, and what is to be forgotten.
            models.Index(fields=["state", "due_at"], name="inference_async_by_due"),
            # One person's own, newest first.
            models.Index(fields=["user_id", "id"], name="inference_async_by_user"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_finished(self) -> bool:
        """Whether it has reached its final state."""
        return self.state not in (self.State.QUEUED, self.State.RUNNING)
