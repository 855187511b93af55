"""What is served: deployments, the routes of each to versions, and the processes of those."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from registry.models import ModelVersion


class Deployment(models.Model):
    """A name that applications call."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")
        ordering = ["name"]
        permissions = [
            ("predict_deployment", _("Can call a deployment")),
            ("deploy_deployment", _("Can choose the version that serves")),
            ("disable_deployment", _("Can take a deployment out of service")),
        ]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """Which version gets which share of a deployment's requests."""

    class Kind(models.TextChoices):
        LIVE = "live", _("live")
        CANARY = "canary", _("canary")
        SHADOW = "shadow", _("shadow")

    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="routes", verbose_name=_("deployment")
    )
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="routes", verbose_name=_("version")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.LIVE)
    weight = models.PositiveSmallIntegerField(
        _("weight"), default=100, help_text=_("percent; nought for a version that only serves until another has loaded")
    )
    slots = models.JSONField(null=True, editable=False, help_text=_("which hundredths of the calls"))
    guard = models.JSONField(_("guard"), null=True, help_text=_("when a canary is stopped"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    weighed_at = models.DateTimeField(_("weight since"), null=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        constraints = [
            models.UniqueConstraint(fields=["deployment", "version", "kind"], name="inference_route_once"),
            models.CheckConstraint(condition=Q(weight__lte=100), name="inference_route_weight_is_percent"),
            models.CheckConstraint(
                condition=Q(kind="live") | Q(weight__gte=1), name="inference_route_canary_and_shadow_get_calls"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deployment} -> {self.version} ({self.weight}%)"


class RunnerState(models.Model):
    """What the model host says of the child process of one version."""

    class State(models.TextChoices):
        STARTING = "starting", _("loading")
        READY = "ready", _("serving")
        FAILED = "failed", _("failed")
        STOPPED = "stopped", _("stopped")

    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="runner", primary_key=True)
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.STARTING)
    socket_path = models.CharField(max_length=255, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    restarts = models.PositiveIntegerField(_("restarts"), default=0)
    load_ms = models.PositiveIntegerField(_("load time in ms"), null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), null=True, blank=True)
    device_bytes = models.PositiveBigIntegerField(_("memory of the device in bytes"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)

    class Meta:
        verbose_name = _("runner")
        verbose_name_plural = _("runners")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.version} {self.state}"
