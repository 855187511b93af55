"""Which events are looked at: by time, by part of Flueman, by how they ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEvent, AuditHead

# An outcome is looked for among the latest events only: no index holds it, and the chain grows for ever.
FILTERED_EVENTS = 1_000_000
OUTCOMES = {"done": _("done"), "refused": _("refused"), "failed": _("failed")}
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


class SpanFilter(admin.SimpleListFilter):
    """The time that is looked at."""

    title = _("time")
    parameter_name = "span"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the spans."""
        return [
            ("hour", _("last hour")),
            ("day", _("last day")),
            ("week", _("last week")),
            ("month", _("last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Keep the events of the span."""
        span = _SPANS.get(self.value() or "")
        if span is None:
            return queryset
        # Numbers grow with time: one look into the index of times turns the span into a range of the key.
        since = (
            AuditEvent.objects.filter(at__gte=timezone.now() - span).order_by("at").values_list("sequence", flat=True)
        )
        first = since.first()
        return queryset.none() if first is None else queryset.filter(sequence__gte=first)


class AreaFilter(admin.SimpleListFilter):
    """The part of Flueman that an action belongs to."""

    title = _("area")
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the areas in which something can happen."""
        return [
            ("accounts", _("people and keys")),
            ("registry", _("models")),
            ("inference", _("deployments")),
            ("jobs", _("jobs")),
            ("files", _("files")),
            ("audit", _("audit")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Keep the events of the area."""
        if not self.value():
            return queryset
        return queryset.filter(action__startswith=f"{self.value()}.", sequence__gt=head() - FILTERED_EVENTS)


class KindFilter(admin.SimpleListFilter):
    """The kind of thing that something was done to."""

    title = _("kind of target")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the kinds that have pages."""
        kinds = {model._meta.label_lower: str(model._meta.verbose_name) for model in model_admin.admin_site._registry}
        return sorted(kinds.items(), key=lambda kind: kind[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Keep the events of the kind."""
        return queryset.filter(target_type=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    """How it ended."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the outcomes."""
        return list(OUTCOMES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Keep the events that ended so."""
        if not self.value():
            return queryset
        return queryset.filter(outcome=self.value(), sequence__gt=head() - FILTERED_EVENTS)


def head() -> int:
    """Give the number of the latest event."""
    return AuditHead.current().sequence


def kind_name(target_type: str) -> str:
    """Give what a kind of target is called."""
    try:
        return str(apps.get_model(target_type)._meta.verbose_name)
    except (LookupError, ValueError):
        return target_type
