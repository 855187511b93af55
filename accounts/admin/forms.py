"""The forms of people: their account, their own settings, their password."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.roles import ROLES
from common.admin import CheckboxSelectMultiple, PasswordInput, Select

ROLE_NOTES = {
    "administrator": _("everything, and people, keys and roles"),
    "operator": _("uploads models, deploys them, watches jobs and requests"),
    "reviewer": _("looks at requests and answers, tries models out"),
    "auditor": _("looks at everything, changes nothing, verifies the audit chain"),
    "client": _("an application: calls deployments; no back office"),
}
_ZONES = [("", _("the server's"))] + [(zone, zone) for zone in sorted(available_timezones()) if "/" in zone]
_LANGUAGES: list[Any] = [("", _("the browser's")), *settings.LANGUAGES]


class SettingsForm(forms.ModelForm):
    """What anybody may set for themselves."""

    language = forms.ChoiceField(label=_("Language"), choices=_LANGUAGES, required=False, widget=Select())
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=_ZONES, required=False, widget=Select())

    class Meta:
        model = User
        fields = ("language", "time_zone")


class UserForm(SettingsForm):
    """A person's name, roles and settings; a password only when the account is made."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        required=False,
        choices=[(name, role.label) for name, role in ROLES.items()],
        widget=CheckboxSelectMultiple(notes=ROLE_NOTES),
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Empty: no log-in by password; an application works with API keys."),
    )

    class Meta(SettingsForm.Meta):
        fields = ("username", "first_name", "last_name", "email", "language", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["roles"].initial = [group.name for group in self.instance.groups.all()]

    def clean_password(self) -> str:
        """Check a password by the rules of the settings."""
        password: str = self.cleaned_data["password"]
        if password:
            validate_password(password, self.instance)
        return password


class PasswordForm(forms.Form):
    """A new password for somebody else."""

    password = forms.CharField(label=_("New password"), widget=PasswordInput(attrs={"autocomplete": "new-password"}))


class OwnPasswordForm(forms.Form):
    """A new password for oneself."""

    old_password = forms.CharField(
        label=_("Password until now"), widget=PasswordInput(attrs={"autocomplete": "current-password"})
    )
    password = forms.CharField(label=_("New password"), widget=PasswordInput(attrs={"autocomplete": "new-password"}))
