"""The form that asks others to agree, with everything filled in; every button that needs it leads here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.confirm import register_way_on, show_refusal
from common.errors import FluemanError
from registry import services
from registry.admin.evidence import tables
from registry.models import AliasRule, ModelVersion
from registry.services.evidence import gather, replaced_by
from registry.services.promotion import ApprovalNeeded, Wish, demanded, may_move

MAY = "registry.add_approvalrequest"


class AskForm(forms.Form):
    """What is wanted, and why."""

    alias = forms.CharField(required=False, widget=forms.HiddenInput)
    deployment = forms.CharField(required=False, widget=forms.HiddenInput)
    is_removal = forms.BooleanField(required=False, widget=forms.HiddenInput)
    comment = forms.CharField(
        label=_("Why this version?"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text=_("Those who decide read it beside the evidence below."),
    )
    old_alias = forms.CharField(
        label=_("Alias for the version before"),
        required=False,
        max_length=100,
        help_text=_("So that it can still be called by a name; empty for none."),
    )


def ask_url(wish: Wish, comment: str = "") -> str:
    """Give the address of the form for a wish."""
    query = QueryDict(mutable=True)
    query["version"] = str(wish.version.pk)
    more = {"alias": wish.alias, "deployment": wish.deployment, "comment": comment}
    more["is_removal"] = "1" if wish.is_removal else ""
    query.update({name: value for name, value in more.items() if value})
    return f"{reverse('admin:registry_approvalrequest_ask')}?{query.urlencode()}"


def way_on(error: FluemanError, typed: str) -> str:
    """Give the page that goes on where a verb needs an approval: the form, or the request that waits already."""
    if not isinstance(error, ApprovalNeeded):
        return ""
    if error.request is not None:
        return reverse("admin:registry_approvalrequest_change", args=[error.request.pk])
    return ask_url(error.wish, typed)


register_way_on(way_on)


def links_for(request: HttpRequest, version: ModelVersion) -> list[dict[str, Any]]:
    """Give the buttons that ask for what a ready version cannot get without others."""
    if version.state != ModelVersion.State.READY or not request.user.has_perm(MAY):  # type: ignore[union-attr]
        return []
    has = set(version.aliases.values_list("name", flat=True))
    rules = [rule for rule in AliasRule.objects.of(version.model) if rule.approvals and rule.name not in has]
    return [
        {
            "label": gettext("Ask for approval: %(alias)s") % {"alias": rule.name},
            "url": ask_url(Wish(version, alias=rule.name)),
        }
        for rule in rules
        if may_move(rule=rule, actor=request.user)
    ]


def ask_view(request: HttpRequest, model_admin: Any) -> HttpResponseBase:
    """Show what will be asked and what is known; on POST ask."""
    require(request, MAY)
    version = _version(request)
    initial = {name: request.GET.get(name, "") for name in AskForm.base_fields}
    form = AskForm(request.POST if request.method == "POST" else None, initial=initial)
    given = request.POST if request.method == "POST" else request.GET
    wish = Wish(version, given.get("alias", ""), given.get("deployment", ""), bool(given.get("is_removal")))
    before = replaced_by(wish)
    if not wish.alias or wish.is_removal or before is None:
        del form.fields["old_alias"]
    if request.method == "POST" and form.is_valid():
        try:
            asked = services.request_approval(version=version, actor=request.user, **form.cleaned_data)
        except (FluemanError, ValidationError) as error:
            show_refusal(form, error)
        else:
            messages.success(request, gettext("Asked. Those who may decide are told; you are told how they decide."))
            return HttpResponseRedirect(model_admin.url_of(asked))
    wanted, evidence = demanded(wish), gather(wish)
    return model_admin.page(
        request,
        "admin/registry/ask.html",
        title=gettext("Ask for approval: %(wish)s") % {"wish": wish},
        form=model_admin.dress(form),
        wish=wish,
        needed=wanted.approvals if wanted else 0,
        before=before,
        tables=tables(evidence),
        signature=evidence["signature"],
        gate=evidence["gate"],
        back=reverse("admin:registry_modelversion_change", args=[version.pk]),
    )


def _version(request: HttpRequest) -> ModelVersion:
    key = request.GET.get("version", "")
    try:
        found = ModelVersion.objects.present().select_related("model").filter(pk=key).first()
    except (ValidationError, ValueError):
        found = None
    if found is None:
        raise Http404
    return found
