"""Every call that was let in, and what it got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from inference.bodies.payload import MAX_ROWS

if TYPE_CHECKING:
    from accounts.models import User


# Which values columns may have, any of them: what a search has to know of who asks, to be led by an index.
Limits = dict[str, tuple[Any, ...]]


def limits_of(user: User) -> Limits:
    """Give what limits a person: their own requests, or nothing for those who may see other people's."""
    return {} if user.has_perm("inference.view_any_inferencerequest") else {"user_id": (user.pk,)}


def limits_of_caller(caller: Any) -> Limits:
    """Give what limits a credential: what limits its owner; a key for some models sees only these."""
    limits: Limits = {}
    if not caller.may("inference.view_any_inferencerequest"):
        limits["user_id"] = (caller.user_id,)
    models = getattr(caller, "allowed_models", None)
    if models is not None:
        limits["deployment"] = tuple(sorted(models))
    return limits


class InferenceRequestQuerySet(models.QuerySet["InferenceRequest"]):
    """Reads of the request log."""

    def within(self, limits: Limits) -> InferenceRequestQuerySet:
        """The requests within limits."""
        return self.filter(**{f"{column}__in": values for column, values in limits.items()})

    def visible_to(self, user: User) -> InferenceRequestQuerySet:
        """All requests for those who may see other people's, else the user's own."""
        return self.within(limits_of(user))

    def open_to(self, caller: Any) -> InferenceRequestQuerySet:
        """All requests that a credential lets its owner see; a key for some models sees only these."""
        return self.within(limits_of_caller(caller))


class InferenceRequest(models.Model):
    """One call of a deployment that was let in. Names are copies, so that the row outlives what it speaks of.

    The recorder writes it with plain SQL (`inference/log/recorder.py`): a new column needs a place there too.
    """

    class Door(models.TextChoices):
        V2 = "v2", "Open Inference Protocol"
        API = "api", "REST"
        ADMIN = "admin", _("try-it page")
        ASYNC = "async", _("asynchronous")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(_("time"))
    deployment = models.CharField(_("deployment"), max_length=100)
    model = models.CharField(_("model"), max_length=100)
    version = models.PositiveIntegerField(_("version"))
    version_id = models.UUIDField(null=True)
    user_id = models.BigIntegerField(null=True)
    key_id = models.UUIDField(null=True)
    caller = models.CharField(_("caller"), max_length=150)
    door = models.CharField(_("door"), max_length=10, choices=Door)
    status = models.PositiveSmallIntegerField(_("status"))
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error = models.TextField(_("error message"), blank=True)
    rows = models.PositiveIntegerField(_("rows"))
    latency_ms = models.FloatField(
        _("latency in ms"), help_text=_("from the first byte read to the hand-over to the database")
    )
    queue_ms = models.FloatField(_("waiting in ms"), null=True)
    run_ms = models.FloatField(_("model in ms"), null=True)
    executions = models.FloatField(
        null=True, help_text=_("its part of the runs of the model: one run of 8 rows is half a run for a call of 4")
    )
    input = models.TextField(_("input"), help_text=_("the body as it was sent; empty when it is a blob"))
    input_blob = models.CharField(max_length=64, blank=True, help_text=_("SHA-256 of an input too large for the row"))
    client_request_id = models.CharField(max_length=128, blank=True)
    trace_id = models.CharField(_("trace"), max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=64, blank=True)

    objects = InferenceRequestQuerySet.as_manager()

    class Meta:
        db_table = "requests"
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("view_any_inferencerequest", _("Can see the requests of other people"))]
        # The key holds the time (UUIDv7), so each index gives its rows newest first, and a time range is a key range.
        indexes = [
            models.Index(fields=["deployment", "id"], name="requests_by_deployment"),
            models.Index(fields=["user_id", "id"], name="requests_by_user"),
            models.Index(fields=["key_id", "id"], name="requests_by_key"),
            models.Index(fields=["status", "id"], name="requests_by_status"),
        ]

    def __str__(self) -> str:
        return str(self.id)


def prediction_key(request_id: UUID, row: int) -> UUID:
    """Give the key of the prediction for a row: keys follow that of their request, so no index has to find them."""
    return UUID(int=request_id.int + 1 + row)


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Reads of predictions."""

    def of_request(self, request_id: UUID, *, after: int = -1) -> PredictionQuerySet:
        """The predictions of one request from a row on, in the order of its rows."""
        first, last = prediction_key(request_id, after + 1), prediction_key(request_id, MAX_ROWS)
        return self.filter(id__gte=first, id__lt=last, request_id=request_id).order_by("id")


class Prediction(models.Model):
    """The output for one row of a request: an object of values by output name. Its key is `prediction_key`."""

    id = models.UUIDField(primary_key=True, editable=False)
    request = models.ForeignKey(
        InferenceRequest,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="predictions",
        verbose_name=_("request"),
    )
    row = models.PositiveIntegerField(_("row"))
    output = models.TextField(_("output"), help_text=_("JSON by output name"))
    label = models.CharField(_("label"), max_length=255, blank=True)
    score = models.FloatField(_("score"), null=True)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        db_table = "predictions"
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.label or self.row}"

    def save(self, *args: Any, **options: Any) -> None:
        """Give a new row its key."""
        if self.pk is None:
            self.pk = prediction_key(self.request_id, self.row)
        super().save(*args, **options)
