"""What may be done to an API key from its page: a new secret, another limit, the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import ApiKey
from common.admin import Consequence, ReasonForm, Select, Shown, TextInput, Verb
from common.display import ago
from guards.limits import MAX_PER_MINUTE, MAX_ROWS_PER_MINUTE

_OVERLAPS = [
    ("24", _("24 hours")),
    ("168", _("7 days")),
    ("720", _("30 days")),
    ("0", _("stops at once: it has been seen by others")),
]


class RotateForm(ReasonForm):
    """How long the old secret works on."""

    keep_old_for = forms.TypedChoiceField(
        label=_("The old secret works on for"),
        choices=_OVERLAPS,
        coerce=lambda hours: timedelta(hours=int(hours)),
        widget=Select(),
    )
    field_order = ("keep_old_for", "reason")


def _number(label: Any, most: int, note: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=most,
        widget=TextInput(attrs={"inputmode": "numeric"}),
        help_text=note,
    )


class LimitForm(ReasonForm):
    """How often a key may predict."""

    per_minute = _number(_("Predictions a minute"), MAX_PER_MINUTE, _("Empty: as many as the installation allows."))
    burst = _number(_("At once"), MAX_PER_MINUTE, _("After a quiet time. Empty: six seconds' worth."))
    rows_per_minute = _number(
        _("Rows a minute"),
        MAX_ROWS_PER_MINUTE,
        _("Of all its predictions. Empty: as many as the installation allows."),
    )
    field_order = (*ApiKey.LIMITS, "reason")


def _limit_form(key: ApiKey) -> type[forms.Form]:
    """Give the form with the limit as it stands."""

    class Filled(LimitForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{"initial": key.limits, **kwargs})

    return Filled


def state_of(key: ApiKey) -> tuple[str, str]:
    """Give the state of a key as a colour and a word."""
    if key.revoked_at:
        return "revoked", gettext("revoked")
    if key.expires_at and key.expires_at <= timezone.now():
        return "expired", gettext("expired")
    return ("active", gettext("works")) if key.user.is_active else ("cancelled", gettext("owner deactivated"))


def _rotate(*, obj: ApiKey, actor: Any, reason: str, keep_old_for: timedelta) -> Shown:
    key, text = services.rotate_api_key(key=obj, actor=actor, keep_old_for=keep_old_for, reason=reason)
    title = gettext("“%(name)s” has a new secret. Copy it now: it is not shown again.") % {"name": key.name}
    return Shown("admin/accounts/apikey/created.html", title, {"key": text, "is_rotated": bool(keep_old_for)})


def _limit(*, obj: ApiKey, actor: Any, reason: str, **limits: int | None) -> str:
    services.limit_api_key(key=obj, actor=actor, reason=reason, **limits)
    return gettext("The limit holds within a second.")


def _revoke(*, obj: ApiKey, actor: Any, reason: str) -> str:
    services.revoke_api_key(key=obj, actor=actor, reason=reason)
    return gettext("The key has been revoked; it stops working within a second.")


def _what_ends(key: ApiKey) -> Consequence:
    text = gettext("Every call with this key is refused within a second, for good.")
    return Consequence(format_html("{} {}", text, _last_use(key)), [(_("State"), state_of(key)[1], _("revoked"))])


def _what_is_renewed(key: ApiKey) -> Consequence:
    text = gettext(
        "Prefix, owner, scopes, deployments and limits stay. Put the new secret in place, then the old ends."
    )
    older: str = ""
    if key.old_until and key.old_until > timezone.now():
        older = gettext("The secret from before the last rotation stops now.")
        if key.old_used_at:
            older = format_html(
                "{} {}", older, format_html(gettext("It was last used {when}."), when=ago(key.old_used_at))
            )
    return Consequence(format_html("{} {} {}", text, _last_use(key), older))


def _last_use(key: ApiKey) -> str:
    if not key.last_used_at:
        return gettext("It has never been used.")
    return format_html(gettext("It was last used {when}."), when=ago(key.last_used_at))


def _can_rotate(key: ApiKey) -> bool:
    return state_of(key)[0] == "active"


VERBS = (
    Verb(
        name="rotate",
        label=_("New secret"),
        permission="accounts.rotate_apikey",
        run=_rotate,
        consequence=_what_is_renewed,
        form=lambda _key: RotateForm,
        is_offered=_can_rotate,
        is_primary=True,
    ),
    Verb(
        name="limit",
        label=_("Limit"),
        permission="accounts.manage_any_apikey",
        run=_limit,
        form=_limit_form,
        is_offered=_can_rotate,
    ),
    Verb(
        name="revoke",
        label=_("Revoke"),
        permission="accounts.revoke_apikey",
        run=_revoke,
        consequence=_what_ends,
        is_offered=lambda key: key.revoked_at is None,
        is_destructive=True,
    ),
)
