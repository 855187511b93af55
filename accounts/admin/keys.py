"""Who can call what? Keys are made here, shown once, and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import callables, services
from accounts.admin.key_verbs import VERBS, state_of
from accounts.models import ApiKey, User
from accounts.scopes import SCOPES
from common.admin import CheckboxSelectMultiple, KeysetPaginator, ModelAdmin, Onlooker, Select, TextInput
from common.display import ago, badge

_SCOPE_WORDS = {
    "predict": (_("predict"), _("calls deployments and gets their answers")),
    "feedback": (_("feedback"), _("says whether an answer was right")),
    "files": (_("Public files"), _("see and add files of the public shelf")),
    "read": (_("read"), _("looks at models, requests, predictions and jobs; changes nothing")),
    "manage": (_("manage"), _("does all that its owner may do: uploads, deploys, makes keys")),
}
_LIFETIMES = [("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year")), ("", _("never"))]


class NewKeyForm(forms.ModelForm):
    """What a new key may do, for whom, and how long."""

    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=[(scope, _SCOPE_WORDS[scope][0]) for scope in SCOPES],
        widget=CheckboxSelectMultiple(notes={scope: note for scope, (_word, note) in _SCOPE_WORDS.items()}),
        initial=["predict"],
    )
    allowed_models = forms.MultipleChoiceField(
        label=_("Deployments it may call"),
        required=False,
        widget=CheckboxSelectMultiple(),
        help_text=_("None chosen: all, also those to come."),
    )
    lifetime = forms.ChoiceField(
        label=_("Expires after"), choices=_LIFETIMES, required=False, initial="90", widget=Select()
    )

    class Meta:
        model = ApiKey
        fields = ("name", "user", *ApiKey.LIMITS)
        widgets = {name: TextInput(attrs={"inputmode": "numeric"}) for name in ApiKey.LIMITS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["allowed_models"].choices = [(name, name) for name in callables.names()]  # type: ignore[attr-defined]
        if "user" in self.fields:
            self.fields["user"].queryset = User.objects.filter(is_active=True).order_by("username")  # type: ignore[attr-defined]

    def clean_lifetime(self) -> timedelta | None:
        """Give the time that the key lives, `None` for ever."""
        days = self.cleaned_data["lifetime"]
        return timedelta(days=int(days)) if days else None


class WorkingFilter(admin.SimpleListFilter):
    """All keys, or those that work."""

    title = _("state")
    parameter_name = "working"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer those that work."""
        return [("1", _("working keys"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """Narrow the list."""
        return queryset.filter(pk__in=ApiKey.objects.live().values("pk")) if self.value() else queryset


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys of applications."""

    question = _("Which application can call what, and until when?")
    empty_text = _("An application needs a key to call a deployment. It is shown once, when it is made.")
    empty_command = "python manage.py create_api_key my-app --user admin --scopes predict"
    detail_template = "admin/accounts/apikey/detail.html"
    form = NewKeyForm
    list_display = ("name", "owner", "may", "models", "state", "used", "until")
    list_select_related = ("user",)
    list_filter = (WorkingFilter,)
    linked_lookups = ("user__id__exact",)
    search_fields = ("prefix", "name", "user__username")
    search_help_text = _("name, prefix or owner")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Show a person their own keys, and everybody's to those who manage them."""
        return super().get_queryset(request).select_related("user", "created_by").visible_to(Onlooker(request.user))

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """Ask for the owner only where the person may choose one."""
        owner = ("user",) if request.user.has_perm("accounts.manage_any_apikey") else ()  # type: ignore[union-attr]
        return ("name", *owner, "scopes", "allowed_models", "lifetime", ("per_minute", "burst"), "rows_per_minute")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the person's own account."""
        return {"user": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is made and revoked, never edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked key stays, for the log."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: Any) -> None:
        """Make the key; its text lives in this request only."""
        cleaned = form.cleaned_data
        lifetime = cleaned["lifetime"]
        made, text = services.create_api_key(
            name=cleaned["name"],
            user=cleaned.get("user") or request.user,
            scopes=cleaned["scopes"],
            allowed_models=cleaned["allowed_models"],
            expires_at=timezone.now() + lifetime if lifetime else None,
            **{name: cleaned[name] for name in ApiKey.LIMITS},
            actor=request.user,
        )
        obj.__dict__.update(made.__dict__)
        request.new_key = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret, once; no cache may keep the page."""
        text: str = request.new_key  # type: ignore[attr-defined]
        title = gettext("The key “%(name)s” is ready. Copy it now: it is not shown again.") % {"name": obj.name}
        context = {"key": text, "curl": _curl(request, obj, text), "original": obj}
        response = self.page(request, "admin/accounts/apikey/created.html", title=title, **context)
        response["Cache-Control"] = "no-store"
        return response

    def headline(self, request: HttpRequest, obj: ApiKey) -> str:
        """Say whose key it is and whether it works."""
        told = gettext("“%(name)s”, a key of %(user)s: %(state)s")
        return told % {"name": obj.name, "user": obj.user, "state": state_of(obj)[1]}

    def detail(self, request: HttpRequest, obj: ApiKey) -> dict[str, Any]:
        """Give the scopes as words and a call to copy."""
        words = [_SCOPE_WORDS.get(scope, (scope, "")) for scope in obj.scopes]
        return {
            "scopes": words,
            "state": badge(*state_of(obj)),
            "has_old": obj.old_until and obj.old_until > timezone.now(),
            "curl": _curl(request, obj, f"{obj.prefix}_…"),
        }

    @admin.display(description=_("owner"))
    def owner(self, obj: ApiKey) -> str:
        """Name the owner."""
        return str(obj.user)

    @admin.display(description=_("What it may do"))
    def may(self, obj: ApiKey) -> SafeString:
        """Give the scopes as words."""
        words = ((_SCOPE_WORDS.get(scope, (scope, ""))[0],) for scope in obj.scopes)
        return format_html_join(" ", '<span class="fm-chip">{}</span>', words)

    @admin.display(description=_("deployments"))
    def models(self, obj: ApiKey) -> str:
        """Name the deployments, or say all."""
        if not obj.allowed_models:
            return gettext("all")
        if len(obj.allowed_models) <= 2:
            return ", ".join(obj.allowed_models)
        return ngettext("%d deployment", "%d deployments", len(obj.allowed_models)) % len(obj.allowed_models)

    @admin.display(description=_("state"))
    def state(self, obj: ApiKey) -> SafeString:
        """Tell a working key from one that is not."""
        return badge(*state_of(obj))

    @admin.display(description=_("last used"))
    def used(self, obj: ApiKey) -> str:
        """Say how long ago it was used."""
        return ago(obj.last_used_at) if obj.last_used_at else gettext("never")

    @admin.display(description=_("expires"))
    def until(self, obj: ApiKey) -> str:
        """Say when it ends."""
        return ago(obj.expires_at) if obj.expires_at else gettext("never")


def _curl(request: HttpRequest, key: ApiKey, text: str) -> str:
    """Give a call with a key for a shell, of the first deployment that it may call."""
    url = request.build_absolute_uri("/").rstrip("/")
    for name in key.allowed_models or callables.names():
        if call := callables.example(name, url):
            return call.replace("$FLUEMAN_KEY", text)
    return f'curl -s {url}/api/v1/me \\\n  -H "Authorization: Bearer {text}"'
