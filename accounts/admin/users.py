"""Who works here, and what may they do?"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.admin.account_verbs import VERBS
from accounts.admin.forms import OwnPasswordForm, SettingsForm, UserForm
from accounts.admin.roles import show_roles
from accounts.admin.second_factor import show_second_factor
from accounts.logins import SESSION
from accounts.models import ApiKey, User
from accounts.roles import ROLES
from common.admin import (
    ModelAdmin,
    require,
)
from common.confirm import show_refusal
from common.display import ago, badge, figure, person_name, thousands
from common.errors import FluemanError


@admin.register(User)
class UserAdmin(ModelAdmin):
    """People and their roles."""

    question = _("Who works here, and what may they do?")
    form = UserForm
    list_display = ("username", "full_name", "roles", "state", "keys", "seen")
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = _("name or e-mail")
    list_filter = ("is_active", "groups")
    ordering = ("username",)
    verbs = VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read the roles with the people."""
        return super().get_queryset(request).prefetch_related("groups")

    def enrich(self, rows: list[Any]) -> None:
        """Count the working keys of all people on the page at once."""
        live = ApiKey.objects.live().filter(user__in=rows).order_by()
        counts = dict(live.values_list("user").annotate(Count("pk")))
        for user in rows:
            user.live_keys = counts.get(user.pk, 0)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        """Ask for a password when the account is made; later it has its own page."""
        password = () if obj else ("password",)
        return [
            (None, {"fields": ("username", ("first_name", "last_name"), "email", *password)}),
            (_("What they may do"), {"fields": ("roles",)}),
            (_("How they see it"), {"fields": (("language", "time_zone"),)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Keep the user name: logs and keys speak of it."""
        return ("username",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are deactivated: what they did keeps their name."""
        return False

    def pages(self) -> list[Any]:
        """Add the roles, a person's own settings and the language switch."""
        return [
            ("roles/", partial(show_roles, self), "roles"),
            ("me/", self.me_view, "me"),
            ("second-factor/", partial(show_second_factor, self), "second_factor"),
            ("language/", self.language_view, "language"),
        ]

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Lead to the meaning of the roles."""
        return [{"label": _("What each role may do"), "url": reverse("admin:accounts_user_roles")}]

    def headline(self, request: HttpRequest, obj: User) -> str:
        """Say who it is and what they are here."""
        roles = ", ".join(str(ROLES[group.name].label) for group in obj.groups.all() if group.name in ROLES)
        if not obj.is_active:
            return gettext("%(user)s is deactivated") % {"user": obj}
        return gettext("%(user)s: %(roles)s") % {"user": obj, "roles": roles or gettext("no role")}

    def detail_links(self, request: HttpRequest, obj: User) -> list[dict[str, Any]]:
        """Lead to the person's keys, sessions and deeds."""
        links = []
        if request.user.has_perm("accounts.manage_any_apikey"):  # type: ignore[union-attr]
            links.append({"label": _("API keys"), "url": f"{_list('apikey')}?user__id__exact={obj.pk}"})
        if request.user.has_perm("accounts.manage_any_session"):  # type: ignore[union-attr]
            links.append({"label": _("Sessions"), "url": f"{_list('session')}?user__id__exact={obj.pk}"})
        return links

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Make or change the account through its services."""
        cleaned = form.cleaned_data
        fields = {name: cleaned[name] for name in ("first_name", "last_name", "email", "language", "time_zone")}
        if not change:
            made = services.create_user(
                username=cleaned["username"],
                password=cleaned["password"] or None,
                roles=cleaned["roles"],
                actor=request.user,
                **fields,
            )
            obj.__dict__.update(made.__dict__)
            return
        # The form has written into `obj` already; the service wants to see what was there before.
        person = User.objects.get(pk=obj.pk)
        roles = cleaned["roles"] if "roles" in form.changed_data else None
        services.change_account(user=person, actor=request.user, roles=roles, **fields)

    def language_view(self, request: HttpRequest) -> HttpResponseRedirect:
        """Keep the language that a person has chosen, in their account and for the log-in page."""
        language = request.POST.get("language", "")
        back = request.POST.get("next") or request.headers.get("Referer") or reverse("admin:index")
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
            back = reverse("admin:index")
        response = HttpResponseRedirect(back)
        if request.method == "POST" and language in dict(settings.LANGUAGES):
            person = User.objects.get(pk=request.user.pk)
            services.change_settings(user=person, actor=person, language=language)
            response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, samesite="Lax")
        return response

    def me_view(self, request: HttpRequest) -> Any:
        """Let a person choose their language, time zone and password."""
        require(request, "accounts.change_self")
        which = request.POST.get("form", "")
        own = SettingsForm(request.POST if which == "settings" else None, instance=request.user)
        password = OwnPasswordForm(request.POST if which == "password" else None)
        if (own.is_bound and self._save_settings(request, own)) or (
            password.is_bound and self._save_password(request, password)
        ):
            return HttpResponseRedirect(request.path)
        context = {
            "form": self.dress(own),
            "password_form": self.dress(password),
            "has_factor": services.has_second_factor(request.user),
        }
        return self.page(request, "admin/accounts/user/me.html", title=_("My settings"), **context)

    def _save_settings(self, request: HttpRequest, form: SettingsForm) -> bool:
        if not form.is_valid():
            return False
        person = User.objects.get(pk=request.user.pk)
        services.change_settings(user=person, actor=person, **form.cleaned_data)
        self.message_user(request, gettext("Your settings have been saved."))
        return True

    def _save_password(self, request: HttpRequest, form: OwnPasswordForm) -> bool:
        if not form.is_valid():
            return False
        person = User.objects.get(pk=request.user.pk)
        try:
            kept = request.session.get(SESSION, "")
            services.change_password(user=person, actor=person, keep_session=kept, **form.cleaned_data)
        except (FluemanError, ValidationError) as error:
            show_refusal(form, error)
            return False
        update_session_auth_hash(request, person)
        self.message_user(request, gettext("Your password has been changed; your other sessions have ended."))
        return True

    @admin.display(description=_("name"))
    def full_name(self, obj: User) -> str:
        """Give the name that people use."""
        return person_name(obj) if obj.first_name or obj.last_name else "–"

    @admin.display(description=_("roles"))
    def roles(self, obj: User) -> SafeString:
        """Give the roles as words."""
        words = ((ROLES[group.name].label if group.name in ROLES else group.name,) for group in obj.groups.all())
        shown = format_html_join(" ", '<span class="fm-chip">{}</span>', words)
        owner = (
            format_html('<span class="fm-chip">{}</span>', _("owner of the installation")) if obj.is_superuser else ""
        )
        return format_html("{} {}", shown, owner)

    @admin.display(description=_("state"))
    def state(self, obj: User) -> SafeString:
        """Tell an active account from a deactivated one."""
        return badge("active", _("active")) if obj.is_active else badge("inactive", _("deactivated"))

    @admin.display(description=_("working keys"))
    def keys(self, obj: Any) -> SafeString:
        """Count the keys that work."""
        return figure(thousands(obj.live_keys), f"{_list('apikey')}?user__id__exact={obj.pk}&working=1")

    @admin.display(description=_("last log-in"))
    def seen(self, obj: User) -> str:
        """Say how long ago they logged in."""
        return ago(obj.last_login) if obj.last_login else gettext("never")


def _list(model: str) -> str:
    return reverse(f"admin:accounts_{model}_changelist")
