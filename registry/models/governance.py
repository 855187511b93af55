"""Who may move which name, who agreed to it, and what every name pointed at, when."""

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from registry.models.registered import RegisteredModel
from registry.models.versions import ModelVersion


class AliasRuleQuerySet(models.QuerySet["AliasRule"]):
    """Reads of protected aliases."""

    def of(self, model: RegisteredModel) -> "list[AliasRule]":
        """The rules that count for a model: its own, and those for all models that it has none of its own for."""
        rules = {rule.name.casefold(): rule for rule in self.filter(model=None)}
        rules |= {rule.name.casefold(): rule for rule in self.filter(model=model)}
        return sorted(rules.values(), key=lambda rule: rule.name)

    def named(self, model: RegisteredModel | None, alias: str) -> "AliasRule | None":
        """The rule of this name for one model, or (`None`) for all that have none of their own; case does not count."""
        return next((rule for rule in self.filter(model=model) if rule.name.casefold() == alias.casefold()), None)

    def protecting(self, model: RegisteredModel, alias: str) -> "AliasRule | None":
        """The rule for an alias of a model, `None` if the permission is enough to move it; case does not count."""
        return next((rule for rule in self.of(model) if rule.name.casefold() == alias.casefold()), None)


class AliasRule(models.Model):
    """A protected alias, of one model or of all: who may move it and how many others have to agree."""

    model = models.ForeignKey(
        RegisteredModel,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="alias_rules",
        verbose_name=_("model"),
        help_text=_("nothing for the alias of this name of every model"),
    )
    name = models.CharField(_("alias"), max_length=100)
    roles = models.JSONField(_("roles that may move it"), default=list)
    approvals = models.PositiveSmallIntegerField(_("approvals needed"), default=1)
    is_gated = models.BooleanField(_("the model's gate must be passed"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = AliasRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("protected alias")
        verbose_name_plural = _("protected aliases")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="registry_aliasrule_one_per_name")]

    def __str__(self) -> str:
        return f"{self.model or '*'}@{self.name}"


class ApprovalRequestQuerySet(models.QuerySet["ApprovalRequest"]):
    """Reads of approval requests."""

    def open(self) -> "ApprovalRequestQuerySet":
        """Requests that can still be decided or carried out."""
        states = (ApprovalRequest.State.WAITING, ApprovalRequest.State.APPROVED)
        return self.filter(state__in=states, expires_at__gt=timezone.now())

    def with_given(self) -> "ApprovalRequestQuerySet":
        """Add `given`, how many have approved."""
        return self.annotate(given=Count("decisions", filter=Q(decisions__verdict="approve")))


class ApprovalRequest(models.Model):
    """A wish to point a protected alias at a version, or to let the version serve, and how it was decided."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        EXPIRED = "expired", _("expired")
        WITHDRAWN = "withdrawn", _("withdrawn")
        USED = "used", _("carried out")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="approvals", verbose_name=_("version")
    )
    alias = models.CharField(_("alias"), max_length=100, blank=True)
    deployment = models.CharField(_("deployment"), max_length=100, blank=True)
    is_removal = models.BooleanField(_("the alias is taken away"), default=False, db_default=False)
    old_alias = models.CharField(
        _("alias for the version before"), max_length=100, blank=True, db_default="", default=""
    )
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.WAITING)
    comment = models.TextField(_("comment"), blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    approvals_needed = models.PositiveSmallIntegerField(_("approvals needed"), default=1)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("asked by")
    )
    asked_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(_("asked"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    used_at = models.DateTimeField(_("carried out"), null=True, blank=True)

    objects = ApprovalRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval request")
        verbose_name_plural = _("approval requests")
        ordering = ["-id"]
        permissions = [("decide_approvalrequest", _("Can approve and reject what others ask for"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(alias="") & ~Q(deployment="") | ~Q(alias="") & Q(deployment=""),
                name="registry_approval_alias_or_deployment",
            )
        ]
        indexes = [
            # "What waits for me", on Home and in the list.
            models.Index(fields=["state", "id"], name="registry_approval_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.version} → {self.alias or self.deployment}"


class ApprovalDecision(models.Model):
    """What one person said to a request."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("approve")
        REJECT = "reject", _("reject")

    request = models.ForeignKey(
        ApprovalRequest, on_delete=models.CASCADE, related_name="decisions", verbose_name=_("request")
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("person")
    )
    person_name = models.CharField(max_length=150)
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("approval decision")
        verbose_name_plural = _("approval decisions")
        default_permissions = ()
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["request", "person"], name="registry_decision_once")]

    def __str__(self) -> str:
        return f"{self.person_name}: {self.verdict}"


class AliasHistory(models.Model):
    """From when until when an alias pointed at a version. Names are copies: the row outlives what it tells of."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    model = models.ForeignKey(
        RegisteredModel, on_delete=models.CASCADE, related_name="alias_history", verbose_name=_("model")
    )
    name = models.CharField(_("alias"), max_length=100)
    version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("version")
    )
    version_number = models.PositiveIntegerField(_("version"))
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"), null=True)
    actor = models.CharField(_("moved by"), max_length=150, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    approval = models.ForeignKey(
        ApprovalRequest, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("approval")
    )

    class Meta:
        verbose_name = _("alias history")
        verbose_name_plural = _("alias histories")
        default_permissions = ()
        ordering = ["-since", "-id"]
        indexes = [
            # "What was it at that time."
            models.Index(fields=["model", "name", "since"], name="registry_aliashistory_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = v{self.version_number}"


class GatePolicy(models.Model):
    """What a version of a model has to show before a protected alias or the calls of a deployment go to it."""

    model = models.OneToOneField(
        RegisteredModel, on_delete=models.CASCADE, related_name="gate_policy", verbose_name=_("model")
    )
    guards_serving = models.BooleanField(_("asked before a version serves"), default=True)
    approvals = models.PositiveSmallIntegerField(_("approvals needed to serve"), default=0)
    requirements = models.JSONField(_("requirements"), default=list, blank=True)
    canary_plan = models.JSONField(_("canary plan"), default=list, blank=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("gate policy")
        verbose_name_plural = _("gate policies")

    def __str__(self) -> str:
        return str(self.model)
