"""How the traffic of deployments changed, and what canaries and shadows answered."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from inference.models.deployments import Deployment, Route


class Revision(models.Model):
    """The routes of a deployment after one change, and whose change it was. It outlives the deployment."""

    class What(models.TextChoices):
        DEPLOYED = "deployed", _("deployed")
        CANARY_STARTED = "canary_started", _("canary started")
        CANARY_STEPPED = "canary_stepped", _("canary grown by its guard")
        CANARY_STOPPED = "canary_stopped", _("canary stopped by its guard")
        WEIGHTS_SET = "weights_set", _("weights changed")
        SHADOW_STARTED = "shadow_started", _("shadow started")
        ROUTE_ENDED = "route_ended", _("route ended")
        PROMOTED = "promoted", _("promoted")
        ROLLED_BACK = "rolled_back", _("rolled back")
        NOT_LOADED = "not_loaded", _("version could not be loaded")
        DELETED = "deleted", _("deployment deleted")

    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.SET_NULL, related_name="revisions", verbose_name=_("deployment")
    )
    deployment_name = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text=_("of one that was deleted")
    )
    number = models.PositiveIntegerField(_("number"))
    what = models.CharField(_("change"), max_length=20, choices=What)
    routes = models.JSONField(_("routes"), help_text=_("a list of version, name, kind and weight"))
    data = models.JSONField(_("figures"), default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("person")
    )
    agent = models.CharField(_("by"), max_length=100, blank=True, help_text=_("where no person made the change"))
    reason = models.TextField(_("reason"), blank=True)
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("change of traffic")
        verbose_name_plural = _("changes of traffic")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            # Newest first of one deployment, too.
            models.UniqueConstraint(fields=["deployment", "number"], name="inference_revision_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="inference_revision_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.deployment or self.deployment_name} {self.number}"

    @property
    def live_weights(self) -> dict[UUID, int]:
        """What each version got that was live and got anything, by its key."""
        live = [one for one in self.routes if one["kind"] == Route.Kind.LIVE and one["weight"]]
        return {UUID(one["version"]): one["weight"] for one in live}


class RouteTally(models.Model):
    """What one web process counted of a canary and the live versions beside it, or of a shadow.

    Each process overwrites its own row about once a second; those of processes that have ended count on.
    """

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="tallies", verbose_name=_("route"))
    process = models.UUIDField()
    counts = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("tally of a route")
        verbose_name_plural = _("tallies of routes")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["route", "process"], name="inference_routetally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.process}"


class ShadowResultQuerySet(models.QuerySet["ShadowResult"]):
    """Reads of the answers of shadows."""

    def of_request(self, request_id: UUID) -> ShadowResultQuerySet:
        """What shadows answered to one request."""
        return self.filter(request_id=request_id).order_by("id")

    def of_version(self, deployment: str, version: int) -> ShadowResultQuerySet:
        """What a version answered as a shadow of a deployment, newest first."""
        return self.filter(deployment=deployment, version=version).order_by("-id")

    def worst(self, deployment: str, version: int) -> ShadowResultQuerySet:
        """The same with the largest difference first, without those that failed."""
        return self.filter(deployment=deployment, version=version, difference__isnull=False).order_by(
            "-difference", "-id"
        )


class ShadowResult(models.Model):
    """What a shadow answered to a copy of a call, beside the answer that the caller got. Names are copies."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(_("time"))
    request_id = models.UUIDField(_("request"))
    deployment = models.CharField(_("deployment"), max_length=100)
    model = models.CharField(_("model"), max_length=100)
    version = models.PositiveIntegerField(_("version"))
    live_version = models.PositiveIntegerField(_("live version"))
    rows = models.PositiveIntegerField(_("rows"))
    outputs = models.TextField(_("output"), blank=True, help_text=_("JSON by output name; empty when it is long"))
    difference = models.FloatField(
        _("difference"), null=True, help_text=_("0 for the same answer; above 1 only for numbers; none when it failed")
    )
    by_output = models.JSONField(_("difference by output"), default=dict)
    same_labels = models.FloatField(_("share of same labels"), null=True)
    score_difference = models.FloatField(_("mean difference of scores"), null=True)
    latency_ms = models.FloatField(_("latency in ms"))
    live_latency_ms = models.FloatField(_("live latency in ms"))
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error = models.TextField(_("error message"), blank=True)

    objects = ShadowResultQuerySet.as_manager()

    class Meta:
        db_table = "shadow_results"
        verbose_name = _("shadow answer")
        verbose_name_plural = _("shadow answers")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["deployment", "version", "id"], name="shadow_results_newest"),
            models.Index(fields=["deployment", "version", "difference"], name="shadow_results_worst"),
            models.Index(fields=["request_id"], name="shadow_results_by_request"),
        ]

    def __str__(self) -> str:
        return str(self.id)
