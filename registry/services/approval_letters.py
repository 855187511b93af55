"""Letters to those who may decide over a request, and to who asked."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from notify.services import send_email
from registry.models import ApprovalRequest
from registry.services.promotion import Wish, wish_of

MOST_LETTERS = 50


def deciders(request: ApprovalRequest) -> QuerySet[User]:
    """Give the people who may approve a request: neither who asked nor who made the version."""
    may = Q(groups__permissions__codename="decide_approvalrequest") | Q(is_superuser=True)
    known = User.objects.filter(may, is_active=True).distinct()
    return known.exclude(pk__in=[key for key in (request.asked_by_id, request.version.created_by_id) if key])


def tell_approvers(request: ApprovalRequest, wish: Wish) -> None:
    """Write to those who may approve that somebody waits for them."""
    for one in deciders(request).exclude(email="").order_by("pk")[:MOST_LETTERS]:
        with translation.override(one.language or settings.LANGUAGE_CODE):
            title = _("Your approval is asked for: %(wish)s") % {"wish": wish}
            said = _("%(person)s asks: %(wish)s. It can be decided until %(until)s.")
            told = {"person": request.asked_by_name, "wish": wish, "until": f"{request.expires_at:%Y-%m-%d %H:%M} UTC"}
            _write(one, title, said % told, request)


def tell_asker(request: ApprovalRequest, state: str) -> None:
    """Write to who asked what has become of it."""
    asker = request.asked_by
    if asker is None or not asker.email or not asker.is_active:
        return
    with translation.override(asker.language or settings.LANGUAGE_CODE):
        word = ApprovalRequest.State(state).label
        told = {"wish": wish_of(request), "state": word}
        title = _("%(wish)s: %(state)s") % told
        _write(asker, title, _("What you asked for (%(wish)s) is %(state)s.") % told, request)


def _write(to: User, title: str, sentence: str, request: ApprovalRequest) -> None:
    url = f"{settings.PUBLIC_URL}{reverse('admin:registry_approvalrequest_change', args=[request.pk])}"
    context = {"title": title, "sentence": sentence, "comment": request.comment, "url": url}
    send_email(to=to.email, template="approval", context=context, language=translation.get_language() or "en")
