"""Whom the audit trail knows by name, and how it forgets somebody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEvent, AuditPerson
from audit.people import PERSON
from audit.services import erase_person
from common.admin import Consequence, ReadOnlyAdmin, Verb
from common.display import ago, badge, thousands


def _erase(*, obj: AuditPerson, actor: Any, reason: str) -> str:
    erase_person(reference=obj.reference, actor=actor, reason=reason)
    return gettext("The name is forgotten; the chain is as whole as before.")


def _consequence(obj: AuditPerson) -> Consequence:
    count = AuditPerson.objects.filter(owner=obj.reference, erased_at=None).count()
    return Consequence(
        text=_(
            "Every event stays and goes on saying what was done; who it was cannot be told any more. "
            "This cannot be undone. The account itself is not touched."
        ),
        changes=[
            (_("name"), obj.label, _("erased person")),
            (_("addresses"), thousands(count), thousands(0)),
        ],
        typed_name=obj.label,
    )


@admin.register(AuditPerson)
class AuditPersonAdmin(ReadOnlyAdmin):
    """People by name; their addresses go with them."""

    question = _("Names stand beside the chain, never in it: one can be forgotten, and the chain stays whole.")
    empty_text = _("Whoever does something is listed here.")
    detail_template = "admin/audit/person.html"
    list_display = ("name", "state", "erased")
    search_fields = ("label",)
    search_help_text = _("name")
    sortable_by = ()
    ordering = ("label",)
    verbs = (
        Verb(
            name="erase",
            label=_("Forget this person"),
            permission="audit.erase_auditperson",
            run=_erase,
            consequence=_consequence,
            is_offered=lambda person: person.erased_at is None,
            is_destructive=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditPerson]:
        """Leave out what belongs to somebody."""
        return (
            super()
            .get_queryset(request)
            .filter(reference__startswith=PERSON, owner="")
            .exclude(label="", erased_at=None)
        )

    def headline(self, request: HttpRequest, obj: AuditPerson) -> str:
        """Say who it is."""
        return obj.label or gettext("erased person")

    def detail(self, request: HttpRequest, obj: AuditPerson) -> dict[str, Any]:
        """Give what is known, and where the events are."""
        return {
            "addresses": list(AuditPerson.objects.filter(owner=obj.reference, erased_at=None).order_by("label")[:50]),
            "events_url": f"{reverse('admin:audit_auditevent_changelist')}?actor__exact={obj.reference}",
            "last": AuditEvent.objects.filter(actor=obj.reference).order_by("-sequence").first(),
        }

    @admin.display(description=_("name"))
    def name(self, obj: AuditPerson) -> str:
        """Give the name."""
        return obj.label or gettext("erased person")

    @admin.display(description=_("state"))
    def state(self, obj: AuditPerson) -> SafeString:
        """Say whether it is still known."""
        return badge("archived", _("forgotten")) if obj.erased_at else badge("active", _("known"))

    @admin.display(description=_("erased"))
    def erased(self, obj: AuditPerson) -> SafeString:
        """Say since when."""
        return ago(obj.erased_at)
