"""Who did what, and is it whole? Read only; the one thing to do is to verify."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.admin.filters import OUTCOMES, AreaFilter, OutcomeFilter, SpanFilter, head
from audit.models import AuditEvent, AuditPerson
from audit.sentences import references_in, sentence
from audit.services import names_of, record
from audit.verification import verify
from common.admin import KeysetPaginator, ReadOnlyAdmin
from common.difference import Change, difference
from common.display import ago, badge, thousands

VERIFIED = "audit.verified"
# Words are looked for among the latest events only: no index holds them, and the chain grows for ever.
SEARCHED_EVENTS = 200_000


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The chain as sentences, and each event as a difference."""

    question = _("A number finds any event; words look at the latest 200,000, filters at the latest 1,000,000.")
    empty_text = _(
        "Everything that people and the system do is written here, in a chain that cannot be changed unseen."
    )
    detail_template = "admin/audit/event.html"
    list_display = ("what", "target", "state", "when")
    search_fields = ("sequence",)
    search_help_text = _("number, person, target or request id")
    list_filter = (SpanFilter, AreaFilter, OutcomeFilter)
    list_filter_sheet = False
    sortable_by = ()
    paginator = KeysetPaginator

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Find by number (`#7`) at once; by person, target or request id among the latest events."""
        term = search_term.strip()
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

    def pages(self) -> list[Any]:
        """Add the verification."""
        return [("verify/", self.verify_view, "verify")]

    def headline(self, request: HttpRequest, obj: AuditEvent) -> str:
        """Say what happened."""
        return sentence(obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the verification to those who may."""
        can_verify = request.user.has_perm("audit.verify_auditevent")  # type: ignore[union-attr]
        return super().changelist_view(request, {"can_verify": can_verify, **(extra_context or {})})

    def list_headline(self, request: HttpRequest) -> str:
        """Say how long the chain is and whether it is whole."""
        count = head()
        last = AuditEvent.objects.filter(action=VERIFIED).order_by("-sequence").first()
        if last is None:
            return gettext("%(count)s events; the chain has not been verified yet") % {"count": thousands(count)}
        said = gettext("{count} events; the chain was whole when last verified, {when}")
        if last.outcome != "done":
            said = gettext("{count} events; the chain was BROKEN when last verified, {when}")
        return format_html(said, count=thousands(count), when=ago(last.at))

    def detail(self, request: HttpRequest, obj: AuditEvent) -> dict[str, Any]:
        """Give the difference, who and whence, and the place in the chain."""
        names = names_of([obj.actor, obj.target_label])
        return {
            "changes": [_named(obj, change) for change in difference(obj.before, obj.after)],
            "outcome": badge(obj.outcome, OUTCOMES.get(obj.outcome, obj.outcome)),
            "actor": names.get(obj.actor, obj.actor),
            "actor_url": f"{reverse('admin:audit_auditevent_changelist')}?actor__exact={obj.actor}"
            if obj.actor
            else "",
            "target": names.get(obj.target_label, obj.target_label),
            "target_url": _target_url(request, obj),
            "earlier": AuditEvent.objects.filter(sequence=obj.sequence - 1).first(),
            "later": AuditEvent.objects.filter(sequence=obj.sequence + 1).first(),
        }

    def verify_view(self, request: HttpRequest) -> HttpResponseRedirect:
        """Walk the whole chain and say what was found; the walk itself is an event."""
        if request.method != "POST" or not request.user.has_perm("audit.verify_auditevent"):  # type: ignore[union-attr]
            raise PermissionDenied
        found = verify()
        with transaction.atomic():
            record(
                action=VERIFIED,
                actor=request.user,  # type: ignore[arg-type]
                after={"events": found.events, "first_bad": found.first_bad},
                outcome="done" if found.is_whole else "failed",
            )
        (messages.success if found.is_whole else messages.error)(request, str(found))
        return HttpResponseRedirect(reverse("admin:audit_auditevent_changelist"))

    @admin.display(description=_("what happened"))
    def what(self, obj: AuditEvent) -> str:
        """Say the event as a sentence."""
        return sentence(obj, obj.names)  # type: ignore[attr-defined]

    @admin.display(description=_("target"))
    def target(self, obj: AuditEvent) -> SafeString:
        """Link to all that happened to the same thing."""
        if not obj.target_id:
            return mark_safe("")
        same = f"?target_type__exact={obj.target_type}&target_id__exact={obj.target_id}"
        return format_html('<a class="fm-quiet" href="{}">{}</a>', same, _kind(obj))

    @admin.display(description=_("outcome"))
    def state(self, obj: AuditEvent) -> SafeString:
        """Show how it ended; nothing where it was simply done."""
        return mark_safe("") if obj.outcome == "done" else badge(obj.outcome, OUTCOMES.get(obj.outcome, obj.outcome))

    @admin.display(description=_("when"))
    def when(self, obj: AuditEvent) -> SafeString:
        """Say how long ago."""
        return ago(obj.at)


def _kind(event: AuditEvent) -> str:
    try:
        return str(apps.get_model(event.target_type)._meta.verbose_name)
    except (LookupError, ValueError):
        return event.target_type


def _named(event: AuditEvent, change: Change) -> Change:
    """Call a field as its model does."""
    try:
        name = str(apps.get_model(event.target_type)._meta.get_field(change.name).verbose_name)  # type: ignore[union-attr]
    except (LookupError, ValueError, FieldDoesNotExist, AttributeError):
        name = gettext(change.name.replace("_", " "))
    return Change(capfirst(name), change.before, change.after)


def _target_url(request: HttpRequest, event: AuditEvent) -> str:
    try:
        model = apps.get_model(event.target_type)
        page = admin.site.get_model_admin(model)
        exists = page.has_view_permission(request) and model._default_manager.filter(pk=event.target_id).exists()
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return reverse(name, args=[event.target_id]) if exists else ""
    except (LookupError, ValueError, NoReverseMatch, admin.sites.NotRegistered):
        return ""
