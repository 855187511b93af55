"""Which keys sign tokens, and which are still believed?"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import SigningKey
from common.admin import Consequence, ReadOnlyAdmin, Verb
from common.display import ago, badge

State = SigningKey.State


def _rotate(*, obj: SigningKey, actor: Any, reason: str) -> str:
    new = services.rotate_signing_keys(actor=actor, reason=reason)
    return gettext("New tokens are signed with %(kid)s; nobody has to log in again.") % {"kid": new.kid}


def _withdraw(*, obj: SigningKey, actor: Any, reason: str) -> str:
    services.withdraw_signing_key(key=obj, actor=actor, reason=reason)
    return gettext("The key is believed no more; tokens of it are refused within a second.")


def _what_rotates(key: SigningKey) -> Consequence:
    following = SigningKey.objects.filter(state=State.NEXT).first()
    text = _("Tokens of the old key stay good until they run out. Withdraw it afterwards if it may have been stolen.")
    return Consequence(text, [(_("Signs new tokens"), key.kid, following.kid if following else _("a new key"))])


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """Keys that sign tokens; the private halves are never shown."""

    question = _("Which key signs tokens, and whose signatures are still believed?")
    empty_text = _("The first key is made with the first log-in by token.")
    detail_template = "admin/accounts/signingkey.html"
    list_display = ("kid", "condition", "since", "until")
    sortable_by = ()
    verbs = (
        Verb(
            name="rotate",
            label=_("Rotate"),
            permission="accounts.rotate_signingkey",
            run=_rotate,
            title=lambda _key: gettext("Have the next key sign"),
            consequence=_what_rotates,
            is_offered=lambda key: key.state == State.ACTIVE,
            is_primary=True,
        ),
        Verb(
            name="withdraw",
            label=_("Withdraw"),
            permission="accounts.rotate_signingkey",
            run=_withdraw,
            consequence=lambda _key: Consequence(
                _("Everybody whose tokens were signed with this key has to log in again."),
                [(_("Believed"), _("yes"), _("no"))],
            ),
            is_offered=lambda key: key.state == State.RETIRED and _is_believed(key),
            is_destructive=True,
        ),
    )

    def list_headline(self, request: HttpRequest) -> str:
        """Say since when the active key signs."""
        key = SigningKey.objects.filter(state=State.ACTIVE).first()
        return gettext("%(kid)s signs tokens") % {"kid": key.kid} if key else gettext("No key has signed yet")

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Lead to the rotation of the key that signs."""
        key = SigningKey.objects.filter(state=State.ACTIVE).first()
        rotate = self.verbs[0]
        return [dict(rotate.button(self, key))] if key and rotate.is_allowed(request, key) else []

    def headline(self, request: HttpRequest, obj: SigningKey) -> str:
        """Say what the key is for now."""
        return f"{obj.kid}: {_words(obj)[1]}"

    def detail(self, request: HttpRequest, obj: SigningKey) -> dict[str, Any]:
        """Say where the private half is."""
        if obj.private_key:
            return {"private_words": gettext("in the database, sealed")}
        told = gettext("destroyed") if obj.state == State.RETIRED else gettext("in the environment")
        return {"private_words": told}

    @admin.display(description=_("state"))
    def condition(self, obj: SigningKey) -> SafeString:
        """Give the state as a badge."""
        return badge(*_words(obj))

    @admin.display(description=_("signs since"))
    def since(self, obj: SigningKey) -> str:
        """Say how long ago it began to sign."""
        return ago(obj.not_before) if obj.not_before else gettext("not yet")

    @admin.display(description=_("believed until"))
    def until(self, obj: SigningKey) -> str:
        """Say until when its signatures are good."""
        return ago(obj.retire_at) if obj.retire_at else "–"


def _is_believed(key: SigningKey) -> bool:
    return key.retire_at is None or key.retire_at > timezone.now()


def _words(key: SigningKey) -> tuple[str, str]:
    if key.state == State.ACTIVE:
        return "active", gettext("signs")
    if key.state == State.NEXT:
        return "pending", gettext("signs next")
    return ("ended", gettext("still believed")) if _is_believed(key) else ("expired", gettext("believed no more"))
