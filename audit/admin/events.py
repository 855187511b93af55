"""Who did what, and is it whole? Read only."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from audit.admin.chain import ChainPages
from audit.admin.filters import OUTCOMES, AreaFilter, KindFilter, OutcomeFilter, SpanFilter, head, kind_name
from audit.admin.names import field_name
from audit.models import AuditEvent, AuditPerson
from audit.people import names_of
from audit.sentences import actor_of, references_in, sentence, spoken, told
from common.admin import LONGEST_SEARCH, KeysetPaginator, ReadOnlyAdmin
from common.difference import Change, difference
from common.display import ago, badge

# Words are looked for among the latest events only: no index holds them, and the chain grows for ever.
SEARCHED_EVENTS = 200_000


@admin.register(AuditEvent)
class AuditEventAdmin(ChainPages, ReadOnlyAdmin):
    """The chain as sentences, and each event as a difference."""

    question = _("A number finds any event; words look at the latest 200,000, filters at the latest 1,000,000.")
    empty_text = _(
        "Everything that people and the system do is written here, in a chain that cannot be changed unseen."
    )
    detail_template = "admin/audit/event.html"
    list_display = ("what", "target", "when")
    search_fields = ("sequence",)
    search_help_text = _("number, person, target or request id")
    list_before_template = "admin/audit/chain.html"
    list_filter = (SpanFilter, AreaFilter, KindFilter, OutcomeFilter)
    linked_lookups = ("actor__exact", "target_type__exact", "target_id__exact")
    list_filter_sheet = False
    sortable_by = ()
    paginator = KeysetPaginator

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Find by number (`#7`) at once; by person, target or request id among the latest events."""
        term = search_term.strip()[:LONGEST_SEARCH]
        if not term:
            return queryset, False
        if term.lstrip("#").isdecimal():
            number = Q(sequence=int(term.lstrip("#")[:18]))
            target = Q(target_id=term, sequence__gt=head() - SEARCHED_EVENTS)
            return queryset.filter(number if term.startswith("#") else number | target), False
        people = AuditPerson.objects.filter(label__icontains=term, erased_at=None).values_list("reference", flat=True)
        references = list(people[:100])
        matches = Q(target_label__icontains=term) | Q(target_id=term) | Q(request_id=term) | Q(action__startswith=term)
        matches |= Q(actor__in=references) | Q(target_label__in=references)
        return queryset.filter(matches, sequence__gt=head() - SEARCHED_EVENTS), False

    def enrich(self, rows: list[Any]) -> None:
        """Read the names of all people on the page at once."""
        names = names_of(reference for event in rows for reference in references_in(event))
        for event in rows:
            event.names = names

    def headline(self, request: HttpRequest, obj: AuditEvent) -> str:
        """Say what happened."""
        return sentence(obj)

    def detail(self, request: HttpRequest, obj: AuditEvent) -> dict[str, Any]:
        """Give the difference, who and whence, and the place in the chain."""
        names = names_of(references_in(obj))
        return {
            "changes": [
                Change(field_name(obj, change.name), change.before, change.after)
                for change in difference(told(obj.before, names), told(obj.after, names))
            ],
            "outcome": badge(obj.outcome, OUTCOMES.get(obj.outcome, obj.outcome)),
            "actor": actor_of(obj, names) if obj.actor else "",
            "address": spoken(obj.address, names),
            "reason": spoken(obj.reason, names),
            "actor_url": f"{reverse('admin:audit_auditevent_changelist')}?actor__exact={obj.actor}"
            if obj.actor
            else "",
            "target": names.get(obj.target_label, obj.target_label),
            "target_url": _target_url(request, obj),
            "earlier": AuditEvent.objects.filter(sequence=obj.sequence - 1).first(),
            "later": AuditEvent.objects.filter(sequence=obj.sequence + 1).first(),
        }

    @admin.display(description=_("what happened"))
    def what(self, obj: AuditEvent) -> SafeString:
        """Say the event as a sentence, and how it ended where it was not simply done."""
        said = sentence(obj, obj.names)  # type: ignore[attr-defined]
        ended = "" if obj.outcome == "done" else badge(obj.outcome, OUTCOMES.get(obj.outcome, obj.outcome))
        return format_html("{} {}", said, ended) if ended else format_html("{}", said)

    @admin.display(description=_("target"))
    def target(self, obj: AuditEvent) -> SafeString:
        """Link to all that happened to the same thing."""
        if not obj.target_id:
            return mark_safe("")
        same = f"?target_type__exact={obj.target_type}&target_id__exact={obj.target_id}"
        return format_html('<a class="fm-quiet" href="{}">{}</a>', same, kind_name(obj.target_type))

    @admin.display(description=_("when"))
    def when(self, obj: AuditEvent) -> SafeString:
        """Say how long ago."""
        return ago(obj.at)


def _target_url(request: HttpRequest, event: AuditEvent) -> str:
    try:
        model = apps.get_model(event.target_type)
        page = admin.site.get_model_admin(model)
        exists = page.has_view_permission(request) and model._default_manager.filter(pk=event.target_id).exists()
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return reverse(name, args=[event.target_id]) if exists else ""
    except (LookupError, ValueError, NoReverseMatch, admin.sites.NotRegistered):
        return ""
