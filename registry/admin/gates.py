"""Gates: what has a version to show before it may serve, and what does this one still lack?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin
from common.display import ago, figure, thousands
from common.errors import FluemanError
from common.numbers import whole
from registry.admin.gate_form import NOTES, TITLES, Page, changed
from registry.models import GatePolicy, ModelVersion, RegisteredModel
from registry.services.gates import Reason, failures, set_policy
from registry.wording import in_words


class ChooseForm(forms.Form):
    """Which model gets a gate."""

    model = forms.ModelChoiceField(label=_("Model"), queryset=RegisteredModel.objects.none())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = RegisteredModel.objects.present().filter(gate_policy=None).order_by("name")
        self.fields["model"].queryset = models  # type: ignore[attr-defined]


@admin.register(GatePolicy)
class GatePolicyAdmin(ReadOnlyAdmin):
    """The gates of models, each as a form of cards."""

    question = _("What a version has to show before it may serve or get a protected name.")
    empty_text = _("A gate refuses versions that are worse than what you demand, with the reasons.")
    list_display = ("label", "demands", "approvals", "guards_serving", "when")
    list_select_related = ("model",)
    search_fields = ("model__name",)
    search_help_text = _("model")
    sortable_by = ()
    ordering = ("model__name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[GatePolicy]:
        """Leave out models that were deleted."""
        return super().get_queryset(request).filter(model__deleted_at=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Administrators make gates."""
        return request.user.has_perm("registry.change_gatepolicy")

    def pages(self) -> list[Any]:
        """Add the form of a model's gate, and what a version lacks."""
        return [
            ("of/<int:model>/", self.edit_view, "edit"),
            ("lacks/<uuid:version>/", self.lacks_view, "lacks"),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Choose the model, then fill in its gate."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ChooseForm(request.GET if request.GET.get("model") else None)
        if form.is_bound and form.is_valid():
            return HttpResponseRedirect(edit_url(form.cleaned_data["model"]))
        return self.page(request, "admin/registry/gate_new.html", title=self.new_title(), form=self.dress(form))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show the gate of a row as its form."""
        policy = self.get_object(request, object_id)
        if policy is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return self.edit_view(request, policy.model_id)

    def edit_view(self, request: HttpRequest, model: int) -> HttpResponseBase:
        """Show a model's gate, and save it for those who may change it."""
        own = RegisteredModel.objects.present().filter(pk=model).first()
        if own is None:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_change = request.user.has_perm("registry.change_gatepolicy")
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        policy = GatePolicy.objects.filter(model=own).first()
        sent = changed(request.POST) if request.method == "POST" else None
        page = Page(policy, sent or (request.POST if request.method == "POST" else None))
        if request.method == "POST" and sent is None and page.is_valid() and self._is_saved(request, own, page):
            messages.success(request, gettext("Saved."))
            return HttpResponseRedirect(edit_url(own))
        is_shown_fresh = sent is not None
        return self.page(
            request,
            "admin/registry/gate.html",
            title=gettext("Gate of %(model)s") % {"model": own},
            headline=_headline(own, policy),
            model=own,
            gate=self.dress(page.form),
            cards=[
                _card(place, kind, self.dress(card), is_shown_fresh) for place, (kind, card) in enumerate(page.cards)
            ],
            kinds=[(kind, TITLES[kind], NOTES[kind]) for kind in TITLES],
            may_change=may_change,
            is_fresh=is_shown_fresh,
        )

    def _is_saved(self, request: HttpRequest, model: RegisteredModel, page: Page) -> bool:
        """Save, or put what the service refuses beside its field."""
        try:
            set_policy(model=model, actor=request.user, **page.values())  # type: ignore[arg-type]
        except FluemanError as error:
            for name, text in (error.fields or {"": error.message}).items():
                said = in_words(text)
                place, _sign, field = name.removeprefix("requirements[").partition("].")
                number = whole(place, most=len(page.cards) - 1)
                if field and number is not None:
                    card = page.cards[number][1]
                    card.add_error(field if field in card.fields else None, said)
                else:
                    last = name.rpartition(".")[2]
                    page.form.add_error(last if last in page.form.fields else None, said)
            return False
        return True

    def lacks_view(self, request: HttpRequest, version: Any) -> HttpResponseBase:
        """Say what a version still lacks, and offer to run the evaluations that are missing."""
        own = ModelVersion.objects.present().select_related("model").filter(pk=version).first()
        if own is None:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        policy = GatePolicy.objects.filter(model_id=own.model_id).first()
        reasons = failures(version=own, policy=policy) if policy else []
        may_run = request.user.has_perm("registry.add_evaluation") and any(one.data for one in reasons)
        return self.page(
            request,
            "admin/registry/gate_lacks.html",
            title=gettext("What %(version)s lacks") % {"version": own},
            headline=_lacks(own, policy, reasons),
            version=own,
            policy=policy,
            reasons=[{"words": one.words, "url": _evaluation_url(one)} for one in reasons],
            passed=len(policy.requirements) - len({one.requirement for one in reasons}) if policy else 0,
            run_url=_run_url(own) if may_run else "",
            edit_url=edit_url(own.model),
            may_change=request.user.has_perm("registry.change_gatepolicy"),
        )

    @admin.display(description=_("model"))
    def label(self, obj: Any) -> str:
        """Name the model."""
        return str(obj.model)

    @admin.display(description=_("requirements"))
    def demands(self, obj: Any) -> SafeString:
        """Count what is demanded."""
        return figure(thousands(len(obj.requirements)), self.url_of(obj))

    @admin.display(description=_("changed"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)


def edit_url(model: RegisteredModel) -> str:
    """Give the address of a model's gate."""
    return reverse("admin:registry_gatepolicy_edit", args=[model.pk])


def gate_links(request: HttpRequest, model: RegisteredModel) -> list[dict[str, Any]]:
    """Give the button of a model's page that leads to its gate."""
    is_seen = request.user.has_perm("registry.view_gatepolicy")
    return [{"label": _("Gate"), "url": edit_url(model)}] if is_seen else []


def lacks_url(version: ModelVersion) -> str:
    """Give the address of what a version lacks."""
    return reverse("admin:registry_gatepolicy_lacks", args=[version.pk])


def _card(place: int, kind: str, form: forms.Form, is_fresh: bool) -> dict[str, Any]:
    if is_fresh:  # a card has just come or gone; nobody has asked yet whether all is filled in
        form._errors = {}  # type: ignore[attr-defined]
    return {"place": place, "kind": kind, "title": TITLES[kind], "form": form}


def _headline(model: RegisteredModel, policy: GatePolicy | None) -> str:
    if policy is None:
        return gettext("%(model)s has no gate: every version that passed its check may serve") % {"model": model}
    if count := len(policy.requirements):
        said = ngettext(
            "Versions of %(model)s have to meet %(count)d requirement",
            "Versions of %(model)s have to meet %(count)d requirements",
            count,
        )
    elif count := policy.approvals:
        said = ngettext(
            "Versions of %(model)s need %(count)d approval, and nothing else",
            "Versions of %(model)s need %(count)d approvals, and nothing else",
            count,
        )
    else:
        said = gettext("Nothing is required of versions of %(model)s")
    return said % {"model": model, "count": count}


def _lacks(version: ModelVersion, policy: GatePolicy | None, reasons: list[Reason]) -> str:
    if policy is None:
        return gettext("%(model)s has no gate: %(version)s lacks nothing") % {
            "model": version.model,
            "version": version,
        }
    if not reasons:
        return gettext("%(version)s passes the gate of its model") % {"version": version}
    said = ngettext(
        "%(version)s does not pass yet: %(count)d reason",
        "%(version)s does not pass yet: %(count)d reasons",
        len(reasons),
    )
    return said % {"version": version, "count": len(reasons)}


def _evaluation_url(reason: Reason) -> str:
    if not reason.evaluation:
        return ""
    try:
        return reverse("admin:registry_evaluation_change", args=[reason.evaluation])
    except NoReverseMatch:
        return ""


def _run_url(version: ModelVersion) -> str:
    try:
        return reverse("admin:registry_evaluation_missing", args=[version.pk])
    except NoReverseMatch:
        return ""
