"""A verb with a consequence: a button, a page that says what will change and asks for a reason, one service."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import name_of
from common.errors import FluemanError
from common.wording import in_words

WayOn = Callable[[FluemanError, str], str]
_ways_on: list[WayOn] = []


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a verb will do to one row: words, (what, before, after) lines, a name to type if it cannot be undone."""

    text: Any = ""
    changes: Sequence[tuple[Any, Any, Any]] = ()
    typed_name: str = ""


class ReasonForm(forms.Form):
    """Why something is done; a verb that needs more gives a subclass."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("It is kept in the audit log."),
        widget=forms.Textarea(attrs={"rows": 2, "autofocus": True}),
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A page that a verb answers with, in place of a sentence, for what is shown once and kept nowhere."""

    template: str
    title: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that may be done to a row from its page.

    `run(obj=, actor=, **fields of the form)` calls one service and gives the sentence to show, "", or a `Shown`.
    `consequence(obj)` says what will change; `form(obj)` gives the form's class where it is not just a reason,
    and a link may fill in its fields `from_query`. A verb that is not `is_in_head` has its button further down; after
    one that `removes` the row the list is shown.
    """

    name: str
    label: Any
    permission: str
    run: Callable[..., Any]
    title: Callable[[Any], Any] | None = None
    consequence: Callable[[Any], Consequence] = field(default=lambda _obj: Consequence())
    form: Callable[[Any], type[forms.Form]] = field(default=lambda _obj: ReasonForm)
    is_offered: Callable[[Any], bool] = field(default=lambda _obj: True)
    is_destructive: bool = False
    is_primary: bool = False
    is_in_head: bool = True
    removes: bool = False
    from_query: Collection[str] = ()

    def is_allowed(self, request: HttpRequest, obj: Model) -> bool:
        """Tell whether this person may do it, and whether it makes sense now."""
        return request.user.has_perm(self.permission) and self.is_offered(obj)  # type: ignore[union-attr]

    def button(self, model_admin: Any, obj: Model) -> Mapping[str, Any]:
        """Give the button that leads to the confirmation page."""
        opts = model_admin.opts
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_do", args=[obj.pk, self.name])
        return {"label": self.label, "url": url, "primary": self.is_primary, "danger": self.is_destructive}


def confirm_action(request: HttpRequest, *, model_admin: Any, verb: Verb, obj: Model, back: str) -> HttpResponseBase:
    """Show what a verb will change; on POST with a reason do it, say so, and go back."""
    consequence = verb.consequence(obj)
    form = _make_form(request, model_admin, verb, obj, consequence)
    if request.method == "POST" and form.is_valid():
        fields = {name: value for name, value in form.cleaned_data.items() if name != "typed_name"}
        try:
            told = verb.run(obj=obj, actor=request.user, **fields)
        except (FluemanError, ValidationError) as error:
            if onward := way_on(request, error, str(fields.get("reason", ""))):
                return onward
            show_refusal(form, error)
            if isinstance(error, FluemanError) and error.code == "changed_meanwhile":
                _renew(form)
        else:
            if isinstance(told, Shown):
                return _show_once(request, model_admin, told, obj)
            messages.success(request, told or gettext("Done: %(what)s") % {"what": verb.label})
            return HttpResponseRedirect(model_admin.list_url() if verb.removes else back)
    title = verb.title(obj) if verb.title else gettext("%(verb)s: %(row)s") % {"verb": verb.label, "row": name_of(obj)}
    return model_admin.page(
        request,
        "admin/confirm.html",
        title=title,
        verb=verb,
        consequence=consequence,
        form=form,
        back=back,
        original=obj,
    )


def _show_once(request: HttpRequest, model_admin: Any, shown: Shown, obj: Model) -> HttpResponseBase:
    response: HttpResponseBase = model_admin.page(
        request, shown.template, title=shown.title, original=obj, **shown.context
    )
    response["Cache-Control"] = "no-store"
    return response


def _renew(form: forms.Form) -> None:
    """Let a form carry the number of the last change as it is now: its page is shown anew, with what is so now."""
    renewed: Any = form.data.copy()  # type: ignore[attr-defined]
    renewed["revision"] = str(form["revision"].initial)
    form.data = renewed


def _make_form(request: HttpRequest, model_admin: Any, verb: Verb, obj: Model, consequence: Consequence) -> forms.Form:
    filled = {name: request.GET[name] for name in verb.from_query if name in request.GET}
    form = verb.form(obj)(request.POST if request.method == "POST" else None, **({"initial": filled} if filled else {}))
    if name := consequence.typed_name:
        label = gettext("Type “%(name)s” to confirm") % {"name": name}
        form.fields["typed_name"] = forms.RegexField(f"^{re.escape(name)}$", label=label, error_messages=_TYPED_WRONG)
    return model_admin.dress(form)


def register_way_on(way: WayOn) -> None:
    """Add one who knows a page that goes on where a service refuses: it gets the error and the reason typed."""
    if way not in _ways_on:
        _ways_on.append(way)


def way_on(request: HttpRequest, error: FluemanError | ValidationError, typed: str = "") -> HttpResponseBase | None:
    """Lead to the page that goes on from a refusal, with what it said; `None` where there is none."""
    if not isinstance(error, FluemanError):
        return None
    page = next((page for way in _ways_on if (page := way(error, typed))), "")
    if not page:
        return None
    messages.warning(request, in_words(error.message))
    return HttpResponseRedirect(page)


_TYPED_WRONG = {"invalid": _("That is not the name.")}


class RefusedMixin:
    """Shows in the form what a service refused."""

    service_error: FluemanError | ValidationError

    def clean(self) -> dict[str, Any]:
        """Add what was refused to what is wrong with the form itself."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data  # type: ignore[misc,attr-defined]
        show_refusal(self, self.service_error)  # type: ignore[arg-type]
        return cleaned


def show_refusal(form: forms.BaseForm, error: FluemanError | ValidationError) -> None:
    """Put what a service refused beside the fields that it speaks of, the rest over the form."""
    if isinstance(error, ValidationError):
        told = error.message_dict if hasattr(error, "error_dict") else {}
    else:
        told = {name: [in_words(text)] for name, text in error.fields.items()}
    known = {name: texts for name, texts in told.items() if name in form.fields}
    for name, texts in known.items():
        form.add_error(name, texts)
    if not known:
        form.add_error(None, error.messages if isinstance(error, ValidationError) else in_words(error.message))
