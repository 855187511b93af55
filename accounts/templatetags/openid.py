"""The parts of pages that speak of the OpenID Connect provider; nothing where there is none: `{% load openid %}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.template.context import Context
from django.urls import reverse

from accounts import openid
from accounts.models import ExternalIdentity

register = template.Library()


@register.inclusion_tag("admin/accounts/openid_button.html", takes_context=True)
def openid_button(context: Context) -> Mapping[str, Any]:
    """Show the way in on the log-in page."""
    if not openid.is_configured():
        return {}
    following = {"next": context["next"]} if context.get("next") else {}
    return {"url": f"{reverse('openid-begin')}?{urlencode(following)}".rstrip("?"), "name": settings.OIDC_NAME}


@register.inclusion_tag("admin/accounts/openid_card.html", takes_context=True)
def openid_card(context: Context) -> Mapping[str, Any]:
    """Show a person whether they can come by the provider, and let them link or unlink their account."""
    if not openid.is_configured():
        return {}
    request = context["request"]
    known = ExternalIdentity.objects.filter(user=request.user, issuer=settings.OIDC_ISSUER).first()
    url = f"{reverse('openid-begin')}?{urlencode({'link': openid.make_mark(request)})}"
    return {"identity": known, "url": url, "name": settings.OIDC_NAME, "request": request}
