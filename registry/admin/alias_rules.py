"""Protected aliases: who may move which name?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.roles import ROLES
from common.admin import CheckboxSelectMultiple, Consequence, ModelAdmin, ReasonForm, Verb
from common.display import ago
from common.names import composed
from registry import services
from registry.models import AliasRule, RegisteredModel
from registry.services.alias_rules import MOST_APPROVALS, MOVERS

CHANGE = "registry.change_aliasrule"


def _demands() -> dict[str, forms.Field]:
    """Give the fields of what is demanded."""
    return {
        "roles": forms.MultipleChoiceField(
            label=_("Roles that may move it"),
            choices=[(name, ROLES[name].label) for name in MOVERS],
            initial=["administrator"],
            widget=CheckboxSelectMultiple(),
        ),
        "approvals": forms.IntegerField(
            label=_("Others who have to agree"),
            min_value=0,
            max_value=MOST_APPROVALS,
            initial=1,
            help_text=_("Neither who asks nor who made the version counts."),
        ),
        "is_gated": forms.BooleanField(
            label=_("The model’s gate must be passed"),
            required=False,
            initial=True,
            help_text=_("What its evaluations have to show; without a gate nothing is asked."),
        ),
    }


class AliasRuleForm(forms.ModelForm):
    """An alias to protect."""

    name = forms.CharField(label=_("Alias"), max_length=100, initial="champion")
    model = forms.ModelChoiceField(
        RegisteredModel.objects.present(),
        label=_("Model"),
        required=False,
        empty_label=_("every model that has no rule of its own"),
    )
    roles, approvals, is_gated = _demands().values()

    class Meta:
        model = AliasRule
        fields = ("name", "model", "roles", "approvals", "is_gated")

    def clean(self) -> dict[str, Any]:
        """Refuse a name that has its rule: that one is changed on its page."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if AliasRule.objects.named(cleaned.get("model"), composed(cleaned.get("name") or "")) is not None:
            self.add_error("name", _("This alias is protected already."))
        return cleaned


def _edit_form(rule: AliasRule) -> type[forms.Form]:
    fields = _demands()
    for name, field in fields.items():
        field.initial = getattr(rule, name)
    order = (*fields, "reason")
    return type("DemandsForm", (ReasonForm,), {**fields, "field_order": order})


def _edit(*, obj: AliasRule, actor: Any, reason: str, **demands: Any) -> str:
    services.protect_alias(name=obj.name, model=obj.model, actor=actor, reason=reason, **demands)
    return gettext("Changed; it counts at once.")


def _remove(*, obj: AliasRule, actor: Any, reason: str) -> str:
    services.unprotect_alias(rule=obj, actor=actor, reason=reason)
    return gettext("The protection is taken away.")


@admin.register(AliasRule)
class AliasRuleAdmin(ModelAdmin):
    """The rules, and one of them."""

    question = _("Which aliases may not be moved by everybody?")
    empty_text = _(
        "An alias such as champion decides what applications use. Protect it: name who may move it, and how many others"
        " have to agree."
    )
    form = AliasRuleForm
    detail_template = "admin/registry/alias_rule.html"
    list_display = ("shown_name", "shown_model", "movers", "needed", "gate", "changed")
    list_select_related = ("model",)
    search_fields = ("name", "model__name")
    search_help_text = _("alias or model")
    sortable_by = ()
    verbs = (
        Verb("edit", _("Change"), CHANGE, _edit, form=_edit_form),
        Verb(
            "remove",
            _("Take the protection away"),
            "registry.delete_aliasrule",
            _remove,
            consequence=lambda rule: Consequence(
                _("Everybody who may set aliases can move it then, without anybody else."), typed_name=rule.name
            ),
            is_destructive=True,
            removes=True,
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changes are verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing is a verb."""
        return False

    def save_model(self, request: HttpRequest, obj: AliasRule, form: Any, change: Any) -> None:
        """Protect the alias."""
        made = services.protect_alias(actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]
        obj.__dict__.update(made.__dict__)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Show the form in the theme's look."""
        self.dress(context["adminform"].form)
        return super().render_change_form(request, context, *args, **kwargs)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what is demanded."""
        return f"{self.shown_model(obj)} · {obj.name}: {demands_in_words(obj)}"

    @admin.display(description=_("alias"))
    def shown_name(self, obj: Any) -> SafeString:
        """Show the name with its lock."""
        return format_html('<span class="fm-chip">{}</span>', obj.name)

    @admin.display(description=_("model"))
    def shown_model(self, obj: Any) -> str:
        """Name the model."""
        return str(obj.model or gettext("every model"))

    @admin.display(description=_("who may move it"))
    def movers(self, obj: Any) -> str:
        """Name the roles."""
        return roles_in_words(obj)

    @admin.display(description=_("others who agree"))
    def needed(self, obj: Any) -> int:
        """Count the approvals."""
        return int(obj.approvals)

    @admin.display(description=_("gate"), boolean=True)
    def gate(self, obj: Any) -> bool:
        """Tell whether the gate counts."""
        return bool(obj.is_gated)

    @admin.display(description=_("changed"))
    def changed(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)


def roles_in_words(rule: AliasRule) -> str:
    """Name the roles of a rule."""
    return ", ".join(str(ROLES[name].label) if name in ROLES else name for name in rule.roles)


def demands_in_words(rule: AliasRule) -> str:
    """Say what a rule demands."""
    said = [gettext("only %(roles)s may move it") % {"roles": roles_in_words(rule)}]
    if rule.approvals:
        told = ngettext("%(count)d other person agrees first", "%(count)d others agree first", rule.approvals)
        said.append(told % {"count": rule.approvals})
    if rule.is_gated:
        said.append(gettext("the gate must be passed"))
    return ", ".join(said)
