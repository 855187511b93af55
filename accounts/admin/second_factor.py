"""A person's own second factor: set up by a QR code, with recovery codes shown once, and taken away again."""

from __future__ import annotations

import base64
from typing import Any

import qrcode
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from qrcode.image.svg import SvgPathImage

from accounts import services
from accounts.admin.entry import PASSED, CodeForm
from accounts.logins import SESSION
from accounts.models import SecondFactor, User
from accounts.services.second_factor import uri_of
from common.confirm import show_refusal
from common.errors import FluemanError

_DONE = {
    "confirm": _("Your second factor is in force. Keep these recovery codes: they are not shown again."),
    "renew": _("These are your new recovery codes; the old ones no longer work."),
}


def show_second_factor(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show where a person stands with their second factor, and do what they ask for by a code of it."""
    person = User.objects.get(pk=request.user.pk)
    form = CodeForm(request.POST or None)
    verb = request.POST.get("verb", "")
    if form.is_valid():
        try:
            codes = _do(request, verb, person, form.cleaned_data["code"])
        except FluemanError as error:
            show_refusal(form, error)
        else:
            return _show_done(model_admin, request, verb, codes)
    context = {"form": form, "verb": verb, **_standing(person)}
    response = model_admin.page(request, "admin/accounts/user/second_factor.html", title=_("Second factor"), **context)
    response["Cache-Control"] = "no-store"
    return response


def _do(request: HttpRequest, verb: str, person: User, code: str) -> list[str]:
    if verb == "confirm":
        codes = services.confirm_second_factor(user=person, code=code, keep_session=request.session.get(SESSION, ""))
        request.session[PASSED] = True
        return codes
    if verb == "renew":
        return services.renew_recovery_codes(user=person, code=code)
    services.remove_second_factor(user=person, actor=person, code=code)
    request.session.pop(PASSED, None)
    return []


def _show_done(model_admin: Any, request: HttpRequest, verb: str, codes: list[str]) -> HttpResponse:
    told = _DONE.get(verb, _("The second factor has been taken away."))
    response: HttpResponse = model_admin.page(
        request, "admin/accounts/user/recovery_codes.html", title=told, codes=codes, text="\n".join(codes)
    )
    response["Cache-Control"] = "no-store"
    return response


def _standing(person: User) -> dict[str, Any]:
    factor = SecondFactor.objects.filter(user=person, confirmed_at__isnull=False).first()
    if factor:
        headline = gettext("Your second factor is in force.")
        is_demanded = services.needs_second_factor(person)
        return {"factor": factor, "left": len(factor.recovery), "headline": headline, "is_demanded": is_demanded}
    secret = services.begin_second_factor(user=person)
    spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    headline = gettext("Your account is guarded by a password alone.")
    return {"qr": _picture(uri_of(person, secret)), "secret": spaced, "headline": headline}


def _picture(text: str) -> str:
    """Give a QR code as an address of data, which the content policy lets through."""
    svg = qrcode.make(text, image_factory=SvgPathImage, box_size=12, border=2).to_string()
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
