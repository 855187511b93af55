"""Log-in of the back office through the OpenID Connect provider, and log-out there."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import openid, services
from accounts.models import ExternalIdentity, User
from accounts.services.identities import PROVIDER
from audit.services import record_refusal
from common.errors import FluemanError
from common.wording import in_words

logger = logging.getLogger(__name__)

BACKEND = "django.contrib.auth.backends.ModelBackend"
_MARK, _NEXT, _LINK = "openid", "openid_next", "openid_link"


@never_cache
@require_GET
def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider."""
    if not openid.is_configured():
        raise Http404
    request.session[_NEXT] = request.GET.get("next", "")
    request.session.pop(_LINK, None)
    try:
        if mark := request.GET.get("link"):
            openid.check_mark(request, mark)
            request.session[_LINK] = request.user.pk
        return HttpResponseRedirect(_provider().begin(request, _callback_url()))
    except FluemanError as error:
        _note(request, error)
    return HttpResponseRedirect(reverse("admin:login"))


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Log in who has come back from the provider, or link their account."""
    if not openid.is_configured():
        raise Http404
    linking = request.session.pop(_LINK, None)
    try:
        claims = _provider().finish(request)
        if linking is not None:
            return _link(request, linking, claims)
        user = services.sign_in(claims=claims)
    except FluemanError as error:
        _note(request, error)
        return HttpResponseRedirect(reverse("admin:login"))
    wanted = request.session.pop(_NEXT, "")
    login(request, user, backend=BACKEND)
    request.session[_MARK] = True
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(wanted if wanted and is_ours else reverse("admin:index"))


@require_POST
def unlink(request: HttpRequest) -> HttpResponse:
    """Let a person stop coming by the provider."""
    identities = ExternalIdentity.objects.select_related("user").filter(user=request.user.pk)
    try:
        for identity in identities:
            services.unlink_identity(identity=identity, actor=identity.user)
    except FluemanError as error:
        messages.error(request, in_words(error.message))
    return HttpResponseRedirect(reverse("admin:accounts_user_me"))


def log_out(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    """Log out here, and of the provider where the person came from it."""
    came_by_provider = request.method == "POST" and request.session.get(_MARK) and openid.is_configured()
    response: HttpResponse = _log_out_here(request, extra_context)
    if came_by_provider and (url := _provider().log_out_url(f"{settings.PUBLIC_URL}{reverse('admin:login')}")):
        return HttpResponseRedirect(url)
    return response


def _link(request: HttpRequest, user_id: int, claims: dict[str, object]) -> HttpResponse:
    me = HttpResponseRedirect(reverse("admin:accounts_user_me"))
    if request.user.pk != user_id:
        return HttpResponseRedirect(reverse("admin:login"))
    services.link_identity(user=User.objects.get(pk=user_id), claims=claims)
    messages.success(request, gettext("From now on you can log in with %(name)s.") % {"name": settings.OIDC_NAME})
    return me


def _note(request: HttpRequest, error: FluemanError) -> None:
    """Tell the person what they can do about it, the log what it was, and the audit trail that it happened."""
    told = {
        "openid_unavailable": gettext("%(name)s does not answer. Try again, or log in with your password."),
        "openid_unsafe": gettext("%(name)s is not set up safely. An administrator can look into the log."),
        "openid_refused": gettext("The log-in through %(name)s did not succeed. Please try again."),
    }.get(error.code, in_words(error.message))
    logger.warning("log-in by the provider: %s", error.message)
    messages.error(request, told.replace("%(name)s", settings.OIDC_NAME))
    record_refusal(action="accounts.logged_in", actor=None, target_label=PROVIDER, reason=error.code)


def _callback_url() -> str:
    return f"{settings.PUBLIC_URL}{reverse('openid-callback')}"


_log_out_here = admin.site.logout
urlpatterns = [
    path("begin", begin, name="openid-begin"),
    path("callback", callback, name="openid-callback"),
    path("unlink", unlink, name="openid-unlink"),
]


def _provider() -> Any:
    """Give the module that speaks with the provider; Authlib takes long to import, and most do without."""
    return import_module("accounts.provider")
