"""Who is told of what, and does it arrive? Mailboxes and webhooks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import CheckboxSelectMultiple, Consequence, ModelAdmin, ReasonForm, Select, TextInput, Verb
from common.confirm import Shown
from common.display import ago, badge
from notify import events, subscriptions
from notify.admin.deliveries import shown
from notify.models import Channel, Webhook

_CHECK = """# pip install standardwebhooks
from standardwebhooks import Webhook

event = Webhook("%s").verify(request.body, request.headers)"""
_CHECK_MLFLOW = """import base64, hashlib, hmac

id, time = request.headers["X-MLflow-Delivery-Id"], request.headers["X-MLflow-Timestamp"]
digest = hmac.digest(b"%s", f"{id}.{time}.".encode() + request.body, hashlib.sha256)
is_good = hmac.compare_digest(
    request.headers["X-MLflow-Signature"], "v1," + base64.b64encode(digest).decode()
)"""
LAST = 8
SHOWN_EVENTS = 2


def event_field() -> forms.MultipleChoiceField:
    """Give the field that asks which events somebody wants to be told of."""
    return forms.MultipleChoiceField(
        label=_("Tell it when"), choices=events.choices, widget=CheckboxSelectMultiple(), required=True
    )


class ChannelForm(forms.ModelForm):
    """A mailbox and what it is told."""

    events = event_field()

    class Meta:
        model = Channel
        fields = ("name", "address", "language", "events")


class WebhookForm(forms.ModelForm):
    """An address and what it is told."""

    url = forms.CharField(
        label=_("address"), max_length=2000, help_text=_("https://… of a system outside"), widget=TextInput()
    )
    events = event_field()

    class Meta:
        model = Webhook
        fields = ("name", "url", "events")


def _edit_form(obj: Any) -> type[forms.Form]:
    """Give the form of the verb that changes a row, filled with what it is."""
    fields: dict[str, forms.Field] = {
        "name": forms.CharField(label=_("name"), max_length=100, initial=obj.name),
        "events": event_field(),
    }
    fields["events"].initial = obj.events
    if isinstance(obj, Webhook):
        if obj.form == Webhook.Form.MLFLOW:
            fields["events"].choices = events.mlflow_choices  # type: ignore[attr-defined]
        fields["url"] = forms.CharField(label=_("address"), max_length=2000, initial=obj.url)
    else:
        fields["address"] = forms.EmailField(label=_("e-mail address"), initial=obj.address)
        languages = Channel.Language.choices
        fields["language"] = forms.ChoiceField(
            label=_("language"), choices=languages, initial=obj.language, widget=Select()
        )
    order = ("name", "url", "address", "language", "events", "reason")
    return type("EditForm", (ReasonForm,), {**fields, "field_order": order})


def _edit(*, obj: Any, actor: Any, reason: str, **fields: Any) -> str:
    subscriptions.change(subscriber=obj, actor=actor, reason=reason, **fields)
    return ""


def _switch(*, obj: Any, actor: Any, reason: str) -> str:
    subscriptions.change(subscriber=obj, actor=actor, reason=reason, is_enabled=not obj.is_enabled)
    return ""


def _remove(*, obj: Any, actor: Any, reason: str) -> str:
    subscriptions.remove(subscriber=obj, actor=actor, reason=reason)
    return gettext("It has been removed.")


def _test(*, obj: Any, actor: Any, reason: str) -> str:
    subscriptions.send_test(subscriber=obj, actor=actor, reason=reason)
    return gettext("A test is on its way; how it went appears below in a moment.")


class OptionalReason(ReasonForm):
    """A test needs no reason."""

    reason = forms.CharField(label=_("Reason"), max_length=500, required=False)


def _verbs(model: str, *more: Verb) -> tuple[Verb, ...]:
    change, delete = f"notify.change_{model}", f"notify.delete_{model}"
    return (
        Verb(
            name="test",
            label=_("Send a test"),
            permission=f"notify.test_{model}",
            run=_test,
            form=lambda _obj: OptionalReason,
            is_offered=lambda obj: obj.is_enabled,
            is_primary=True,
        ),
        Verb(name="edit", label=_("Change"), permission=change, run=_edit, form=_edit_form),
        *more,
        Verb(
            name="off",
            label=_("Switch off"),
            permission=change,
            run=_switch,
            consequence=lambda _obj: Consequence(_("It is told of nothing more until it is switched on again.")),
            is_offered=lambda obj: obj.is_enabled,
        ),
        Verb(
            name="on",
            label=_("Switch on"),
            permission=change,
            run=_switch,
            is_offered=lambda obj: not obj.is_enabled,
            is_primary=True,
        ),
        Verb(
            name="remove",
            label=_("Remove"),
            permission=delete,
            run=_remove,
            consequence=lambda obj: Consequence(
                _("What is still on its way there is given up. The log of deliveries stays."), typed_name=obj.name
            ),
            is_destructive=True,
            removes=True,
        ),
    )


class SubscriberAdmin(ModelAdmin):
    """What mailboxes and webhooks have in common."""

    detail_template = "admin/notify/subscriber.html"
    search_fields = ("name",)
    sortable_by = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changes are verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing is a verb."""
        return False

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say whether it works."""
        return f"{obj.name}: {self._state(obj)[1]}"

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give what it is told, and what became of the last notices."""
        return {
            "state": badge(*self._state(obj)),
            "wanted": [events.find(name).label for name in obj.events if name in events.ALL],
            "deliveries": [shown(one) for one in obj.delivery_set.order_by("-id")[:LAST]],
            "is_posted": settings.EMAIL_BACKEND.endswith("smtp.EmailBackend") or isinstance(obj, Webhook),
            "email_url": settings.EMAIL_URL.partition(":")[0],
        }

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> SafeString:
        """Tell one that works from one that does not."""
        return badge(*self._state(obj))

    @admin.display(description=_("events"))
    def told(self, obj: Any) -> Any:
        """Name the events."""
        if len(obj.events) > SHOWN_EVENTS:
            return ngettext("%d kind of event", "%d kinds of events", len(obj.events)) % len(obj.events)
        words = ((events.find(name).label,) for name in obj.events if name in events.ALL)
        return format_html_join(" ", '<span class="fm-chip">{}</span>', words)

    @admin.display(description=_("created"))
    def made(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)

    @staticmethod
    def _state(obj: Any) -> tuple[str, str]:
        if not obj.is_enabled:
            return "disabled", gettext("out of use")
        if getattr(obj, "failing_since", None):
            return "failed", gettext("failing")
        return "enabled", gettext("in use")


@admin.register(Channel)
class ChannelAdmin(SubscriberAdmin):
    """Mailboxes."""

    question = _("Which mailbox hears of what?")
    empty_text = _("People hear by e-mail that a model was refused, a job failed or a key is about to expire.")
    form = ChannelForm
    list_display = ("name", "address", "told", "state", "made")
    search_help_text = _("name")
    verbs = _verbs("channel")

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: Any) -> None:
        """Make the mailbox."""
        made = subscriptions.create_channel(actor=request.user, **form.cleaned_data)
        obj.__dict__.update(made.__dict__)


def _rotate(*, obj: Webhook, actor: Any, reason: str) -> Shown:
    _webhook, secret = subscriptions.rotate_secret(webhook=obj, actor=actor, reason=reason)
    title = gettext("The new secret of “%(name)s”. Copy it now: it is not shown again.") % {"name": obj.name}
    return Shown("admin/notify/secret.html", title, _secret_context(secret, obj.form))


def _secret_context(secret: str, form: str) -> dict[str, str]:
    return {"secret": secret, "check": (_CHECK_MLFLOW if form == Webhook.Form.MLFLOW else _CHECK) % secret}


def _told_of_rotation(obj: Webhook) -> Consequence:
    if obj.form == Webhook.Form.MLFLOW:
        return Consequence(_("From now on calls are signed with the new secret only: MLflow's form knows one."))
    return Consequence(_("Calls are signed with the new and the old secret for a day; then the old one ends."))


@admin.register(Webhook)
class WebhookAdmin(SubscriberAdmin):
    """Webhooks."""

    question = _("Which system outside hears of what, and does it answer?")
    empty_text = _(
        "A webhook is called, with a signature, when a deployment changes, a model is refused or a job fails."
    )
    form = WebhookForm
    list_display = ("name", "host", "told", "state", "made")
    search_help_text = _("name")
    verbs = _verbs(
        "webhook",
        Verb(
            name="rotate",
            label=_("Change the secret"),
            permission="notify.change_webhook",
            run=_rotate,
            consequence=_told_of_rotation,
        ),
    )

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: Any) -> None:
        """Make the webhook; its secret lives in this request only."""
        made, secret = subscriptions.create_webhook(actor=request.user, **form.cleaned_data)
        obj.__dict__.update(made.__dict__)
        request.new_secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret, once; no cache may keep the page."""
        title = gettext("“%(name)s” is ready. Copy its secret now: it is not shown again.") % {"name": obj.name}
        context = _secret_context(request.new_secret, obj.form)  # type: ignore[attr-defined]
        response = self.page(request, "admin/notify/secret.html", title=title, original=obj, **context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description=_("host"))
    def host(self, obj: Webhook) -> str:
        """Give the host of its address: the rest may be as good as a password."""
        return subscriptions.host(obj)
