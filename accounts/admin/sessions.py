"""Who is logged in, with what, from where, and how to end it: one log-in, or all of a person."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.admin.account_verbs import END_ALL
from accounts.devices import describe
from accounts.logins import SESSION
from accounts.models import Session
from common.admin import Consequence, KeysetPaginator, Onlooker, ReadOnlyAdmin, Verb, confirm_action, require
from common.display import ago, badge


def _end(*, obj: Session, actor: Any, reason: str) -> str:
    services.end_session(session=obj, actor=actor, reason=reason)
    return gettext("The session has ended; it is refused everywhere within a second.")


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Log-ins of browsers and by token."""

    question = _("Who is logged in, with what, and from where?")
    empty_text = _("A session begins with each log-in, in a browser or by token at /api/v1/auth/token.")
    detail_template = "admin/accounts/session.html"
    list_display = ("device_name", "user", "way", "address", "state", "used", "began")
    list_filter = ("kind",)
    linked_lookups = ("user__id__exact",)
    list_select_related = ("user",)
    search_fields = ("user__username", "address")
    search_help_text = _("user or address")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="end",
            label=_("End session"),
            permission="accounts.end_session",
            run=_end,
            consequence=lambda _session: Consequence(
                _("Whoever uses it has to log in again; it is refused everywhere within a second.")
            ),
            is_offered=lambda session: session.ended_at is None and session.expires_at > timezone.now(),
            is_destructive=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Show a person their own sessions, and everybody's to those who manage them."""
        here = request.session.get(SESSION)
        visible = super().get_queryset(request).select_related("user").visible_to(Onlooker(request.user))
        return visible.annotate(is_here=Q(pk=here) if here else Value(False))

    def list_headline(self, request: HttpRequest) -> str:
        """Say in how many places the person is logged in."""
        count = Session.objects.open().filter(user=request.user).count()
        return ngettext("You are logged in at %d place", "You are logged in at %d places", count) % count

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Lead to ending all of one's own at once."""
        return [{"label": END_ALL.label, "url": reverse("admin:accounts_session_everywhere"), "danger": True}]

    def pages(self) -> list[Any]:
        """Add the page that ends all of one's own sessions."""
        return [("everywhere/", self.everywhere_view, "everywhere")]

    def everywhere_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask, and log the person out everywhere, here too."""
        require(request, "accounts.end_session")
        back = reverse("admin:accounts_session_changelist")
        return confirm_action(request, model_admin=self, verb=END_ALL, obj=request.user, back=back)

    def headline(self, request: HttpRequest, obj: Session) -> str:
        """Say whose session it is and whether it is open."""
        told = gettext("Session of %(user)s: %(state)s")
        return told % {"user": obj.user, "state": _state(obj)[1]}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the device in words."""
        return {"device_words": device_words(obj), "is_current": obj.is_here}

    @admin.display(description=_("device"))
    def device_name(self, obj: Any) -> str:
        """Give the device in words, and say which is the reader's own."""
        words = device_words(obj)
        return format_html('{} <span class="fm-chip">{}</span>', words, _("this browser")) if obj.is_here else words

    @admin.display(description=_("logged in by"))
    def way(self, obj: Session) -> str:
        """Tell a browser from an application."""
        return obj.get_kind_display()

    @admin.display(description=_("state"))
    def state(self, obj: Session) -> SafeString:
        """Tell an open session from an ended one."""
        return badge(*_state(obj))

    @admin.display(description=_("last used"))
    def used(self, obj: Session) -> SafeString:
        """Say how long ago it was used."""
        return ago(obj.last_used_at)

    @admin.display(description=_("began"))
    def began(self, obj: Session) -> SafeString:
        """Say how long ago it began."""
        return ago(obj.created_at)


def device_words(session: Session) -> str:
    """Say what a session is used with."""
    name, second = describe(session.device)
    if session.device.startswith("Mozilla/") and name and second:
        return gettext("%(browser)s on %(system)s") % {"browser": name, "system": second}
    return f"{name} {second}".strip() or gettext("unknown")


def _state(session: Session) -> tuple[str, str]:
    if session.ended_at:
        return "ended", gettext("ended")
    return ("active", gettext("open")) if session.expires_at > timezone.now() else ("expired", gettext("expired"))
