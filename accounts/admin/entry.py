"""The doors into the back office: name and password, the code of the second factor, a forgotten password."""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from accounts import services
from accounts.models import User
from common.admin import PasswordInput, TextInput
from common.confirm import show_refusal
from common.errors import FluemanError
from common.wording import in_words

BACKEND = "django.contrib.auth.backends.ModelBackend"
STEP, STEP_S = "second_factor_step", 300
PASSED = "second_factor_passed"
CODE = {"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True, "autocapitalize": "none"}


class LogInForm(admin.site.login_form):  # type: ignore[misc,name-defined]
    """Name and password, through the service that every door uses."""

    def clean(self) -> dict[str, Any]:
        """Ask the service; what it refuses is told over the form."""
        given: dict[str, Any] = self.cleaned_data
        try:
            if given.get("username") and given.get("password"):
                self.user_cache = services.check_password(username=given["username"], password=given["password"])
                self.confirm_login_allowed(self.user_cache)
        except FluemanError as error:
            raise ValidationError(in_words(error.message), code=error.code) from error
        return given


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(label=_("Code"), max_length=20, widget=TextInput(attrs=CODE))


class AskForm(forms.Form):
    """Who has forgotten their password."""

    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=TextInput(attrs={"autocomplete": "email", "autofocus": True})
    )


class NewPasswordForm(forms.Form):
    """A new password for who came by a link of ours."""

    password = forms.CharField(
        label=_("New password"),
        max_length=1024,
        strip=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least ten characters; a short sentence is good."),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean(self) -> dict[str, Any]:
        """Have the service set it; what it refuses is told beside the field."""
        if password := self.cleaned_data.get("password"):
            try:
                services.change_password(user=self.user, password=password, actor=self.user)
            except (FluemanError, ValidationError) as error:
                show_refusal(self, error if isinstance(error, FluemanError) else ValidationError({"password": error}))
        return self.cleaned_data

    def save(self) -> User:
        """Give the person; the service has kept the password."""
        return self.user


class LogIn(LoginView):
    """Name and password; who has a second factor goes on to its code before there is any log-in."""

    authentication_form = LogInForm
    template_name = "admin/login.html"
    next_page = reverse_lazy("admin:index")  # where `next` leads to another site

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in, or keep for five minutes that the password was right."""
        user = form.get_user()
        if not services.has_second_factor(user):
            services.forgive(user)
            login(self.request, user, backend=BACKEND)
            return HttpResponseRedirect(self.get_success_url())
        self.request.session.cycle_key()
        self.request.session[STEP] = {
            "user": user.pk, "hash": user.get_session_auth_hash(), "until": time.time() + STEP_S,
            "next": self.get_success_url(),
        }  # fmt: skip
        return HttpResponseRedirect(reverse("log-in-code"))


def log_in(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Show the log-in page, or lead on who is in."""
    if request.method == "GET" and admin.site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context = {
        **admin.site.each_context(request), "title": gettext("Log in"), "app_path": request.get_full_path(),
        "username": request.user.get_username(), "next": request.GET.get("next") or reverse("admin:index"),
    }  # fmt: skip
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    view = method_decorator(never_cache, name="dispatch")(LogIn).as_view(extra_context=context)
    response: HttpResponse = view(request)
    form = getattr(response, "context_data", {}).get("form")
    if form is not None and form.has_error("__all__", "locked_out"):
        response.status_code = 429
    return response


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
def enter_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code of the second factor, then log in."""
    step = request.session.get(STEP, {})
    user = User.objects.filter(pk=step.get("user"), is_active=True).first()
    if user is None or step["until"] < time.time() or step["hash"] != user.get_session_auth_hash():
        request.session.pop(STEP, None)
        return HttpResponseRedirect(reverse("admin:login"))
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            services.check_second_factor(user=user, code=form.cleaned_data["code"])
        except FluemanError as error:
            form.add_error("code", in_words(error.message))
        else:
            services.forgive(user)
            login(request, user, backend=BACKEND)
            request.session.pop(STEP, None)
            request.session[PASSED] = True
            here = url_has_allowed_host_and_scheme(step["next"], {request.get_host()}, request.is_secure())
            return HttpResponseRedirect(step["next"] if here else reverse("admin:index"))
    lead = _("Open your authenticator app and enter the six digits, or enter one of your recovery codes.")
    return _page(request, form, title=_("Second factor"), lead=lead, button=_("Log in"))


@never_cache
@csrf_protect
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """Take the e-mail address of who has forgotten their password; the answer is the same whoever it is."""
    form = AskForm(request.POST or None)
    if form.is_valid():
        try:
            services.ask_password_reset(email=form.cleaned_data["email"])
        except FluemanError as error:
            form.add_error(None, in_words(error.message))
        else:
            lead = _("If an account has this address, a letter with a link is on its way. The link works for an hour.")
            return _page(request, None, title=_("Look into your mail"), lead=lead)
    lead = _("Enter the e-mail address of your account, and a link to set a new password comes by mail.")
    return _page(request, form, title=_("Forgotten password"), lead=lead, button=_("Send the link"))


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SetPassword(PasswordResetConfirmView):
    """Takes a new password from who came by the link; the second factor is asked for at the log-in as ever."""

    form_class = NewPasswordForm
    template_name = "admin/entry.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Give the words of the page, for a link that is good and for one that is not."""
        found = super().get_context_data(**kwargs)
        words = {"title": _("New password"), "button": _("Set the password"), "lead": ""}
        if not found["validlink"]:
            lead = _("The link was used before, or is older than an hour. Ask for a new one.")
            words = {"title": _("This link no longer works"), "lead": lead, "form": None}
        return {**admin.site.each_context(self.request), **found, **words}

    def get_success_url(self) -> str:
        """Lead to the log-in."""
        messages.success(self.request, gettext("The password has been set. Log in with it."))
        return reverse("admin:login")


def _page(request: HttpRequest, form: forms.Form | None, **words: Any) -> HttpResponse:
    return render(request, "admin/entry.html", {**admin.site.each_context(request), "form": form, **words})


urlpatterns = [
    path("login/code/", enter_code, name="log-in-code"),
    path("password-reset/", ask_for_link, name="password-reset"),
    path("password-reset/<uidb64>/<token>/", SetPassword.as_view(), name="password-reset-link"),
]
