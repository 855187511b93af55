"""Who is logged in by token, from where, and how to end it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import Session
from common.admin import Consequence, KeysetPaginator, Onlooker, ReadOnlyAdmin, Verb
from common.display import ago, badge


def _end(*, obj: Session, actor: Any, reason: str) -> str:
    services.end_session(session=obj, actor=actor, reason=reason)
    return gettext("The session has ended; its tokens stop working within a second.")


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sessions by token; those of the browser are Django's."""

    question = _("Who is logged in by token, and from where?")
    empty_text = _("A session begins when an application or a person logs in at /api/v1/auth/token.")
    detail_template = "admin/accounts/session.html"
    list_display = ("user", "device_name", "address", "state", "used", "began")
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
                _("Whoever uses it has to log in again; calls with its tokens are refused within a second.")
            ),
            is_offered=lambda session: session.ended_at is None and session.expires_at > timezone.now(),
            is_destructive=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Show a person their own sessions, and everybody's to those who manage them."""
        return super().get_queryset(request).select_related("user").visible_to(Onlooker(request.user))

    def headline(self, request: HttpRequest, obj: Session) -> str:
        """Say whose session it is and whether it is open."""
        told = gettext("Session of %(user)s: %(state)s")
        return told % {"user": obj.user, "state": _state(obj)[1]}

    @admin.display(description=_("device"))
    def device_name(self, obj: Session) -> str:
        """Give the device, or say that it is unknown."""
        return obj.device or gettext("unknown")

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


def _state(session: Session) -> tuple[str, str]:
    if session.ended_at:
        return "ended", gettext("ended")
    return ("active", gettext("open")) if session.expires_at > timezone.now() else ("expired", gettext("expired"))
