"""The aliases of a model: where each points, who may move it, and the verbs that move it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import Consequence, Verb
from common.confirm import ReasonForm
from registry import services
from registry.admin import shown
from registry.admin.alias_rules import demands_in_words
from registry.admin.asking import ask_url
from registry.models import AliasRule, ModelVersion, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS
from registry.services.history import version_before
from registry.services.promotion import MOVE, Wish, may_move

OFFERED = 200


def rows_of(request: HttpRequest, model: RegisteredModel) -> list[dict[str, Any]]:
    """Give a row for each alias, and for each protected name that points at nothing yet."""
    aliases = {one.name: one for one in model.aliases.select_related("version")}
    rules = {rule.name.casefold(): rule for rule in AliasRule.objects.of(model)}
    since = dict(model.alias_history.filter(until=None).values_list("name", "since"))
    moved = model.alias_history.order_by().values("name").annotate(count=Count("version_number", distinct=True))
    can_go_back = {one["name"] for one in moved if one["count"] > 1}
    taken = {name.casefold() for name in aliases}
    names = [*sorted(aliases), *(rule.name for key, rule in rules.items() if key not in taken)]
    rows = [_row(request.user, model, name, aliases.get(name), rules.get(name.casefold())) for name in names]
    for row in rows:
        row["since"] = since.get(row["name"], row["since"])
        row["links"] = [link for link in row["links"] if row["name"] in can_go_back or not link.get("is_back")]
    return rows


def _row(user: Any, model: RegisteredModel, name: str, alias: Any, rule: AliasRule | None) -> dict[str, Any]:
    may = user.has_perm(MOVE) if rule is None else may_move(rule=rule, actor=user)
    return {
        "name": name,
        "rule": rule,
        "rule_url": reverse("admin:registry_aliasrule_change", args=[rule.pk]) if rule else "",
        "words": demands_in_words(rule) if rule else "",
        "version": alias.version if alias else None,
        "url": shown.version_url(alias.version) if alias else "",
        "since": alias.updated_at if alias else None,
        "links": _links(model, name, alias, rule) if may else [],
    }


def _links(model: RegisteredModel, name: str, alias: Any, rule: AliasRule | None) -> list[dict[str, Any]]:
    query = f"?{urlencode({'name': name})}"
    is_asked = bool(rule and rule.approvals)
    links: list[dict[str, Any]] = [
        {"label": gettext("Move (needs approval)") if is_asked else gettext("Move"), "url": _do(model, "move-alias")}
    ]
    if alias is not None:
        links.append({"label": gettext("Roll back"), "url": _do(model, "rollback-alias"), "is_back": True})
    if alias is not None and not is_asked:
        links.append({"label": gettext("Remove"), "url": _do(model, "remove-alias")})
    links = [{**link, "url": link["url"] + query} for link in links]
    if alias is not None and is_asked:
        wish = Wish(alias.version, alias=name, is_removal=True)
        links.append({"label": gettext("Remove (needs approval)"), "url": ask_url(wish)})
    return links


def _do(model: RegisteredModel, verb: str) -> str:
    return reverse("admin:registry_registeredmodel_do", args=[model.pk, verb])


class _VersionField(forms.ModelChoiceField):
    def label_from_instance(self, version: ModelVersion) -> str:
        """Name the version, and the names that it has."""
        names = ", ".join(alias.name for alias in version.aliases.all())
        return f"v{version.number} · {names}" if names else f"v{version.number}"


def _move_form(model: RegisteredModel) -> type[ReasonForm]:
    ready = model.versions.ready().select_related("model").prefetch_related("aliases").order_by("-number")

    class MoveForm(ReasonForm):
        """Which name, which version, why."""

        name = forms.CharField(label=_("Alias"), max_length=MAX_NAME_CHARACTERS)
        version = _VersionField(ready, label=_("Version"), empty_label=None)
        old_alias = forms.CharField(
            label=_("Alias for the version before"),
            required=False,
            max_length=MAX_NAME_CHARACTERS,
            help_text=_("So that it can still be called by a name; empty for none."),
        )
        field_order = ("name", "version", "old_alias", "reason")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            field = self.fields["version"]
            field.choices = [(one.pk, field.label_from_instance(one)) for one in ready[:OFFERED]]

    return MoveForm


def _back_form(model: RegisteredModel) -> type[ReasonForm]:
    choices = []
    for alias in model.aliases.select_related("version"):
        before = version_before(model, alias.name)
        if before is not None:
            choices.append((alias.name, f"{alias.name}: v{alias.version.number} → v{before.number}"))
    field = forms.ChoiceField(label=_("Alias"), choices=choices)
    return type("BackForm", (ReasonForm,), {"name": field, "field_order": ("name", "reason")})


def _remove_form(model: RegisteredModel) -> type[ReasonForm]:
    aliases = model.aliases.select_related("version")
    field = forms.ChoiceField(
        label=_("Alias"), choices=[(one.name, f"{one.name}: v{one.version.number}") for one in aliases]
    )
    return type("RemoveForm", (ReasonForm,), {"name": field, "field_order": ("name", "reason")})


def _move(*, obj: RegisteredModel, actor: User, **given: Any) -> str:
    alias = services.set_alias(model=obj, actor=actor, **given)
    return gettext("%(alias)s now points at %(version)s.") % {"alias": alias.name, "version": alias.version}


def _roll_back(*, obj: RegisteredModel, actor: User, name: str, reason: str) -> str:
    alias = services.rollback_alias(model=obj, name=name, actor=actor, reason=reason)
    return gettext("%(alias)s points at %(version)s again.") % {"alias": alias.name, "version": alias.version}


def _remove(*, obj: RegisteredModel, actor: User, name: str, reason: str) -> str:
    services.delete_alias(model=obj, name=name, actor=actor, reason=reason)
    return gettext("The alias %(alias)s is gone.") % {"alias": name}


VERBS = (
    Verb(
        "move-alias",
        _("Move the alias"),
        MOVE,
        _move,
        title=lambda obj: gettext("Which version of %(name)s shall the alias point at?") % {"name": obj.name},
        consequence=lambda _obj: Consequence(_("Whoever calls the model by this name gets the other version at once.")),
        form=_move_form,
        is_offered=lambda obj: obj.versions.ready().exists(),
        is_in_head=False,
        from_query=("name", "version"),
    ),
    Verb(
        "rollback-alias",
        _("Roll back"),
        MOVE,
        _roll_back,
        title=lambda obj: gettext("Point an alias of %(name)s at what it pointed at before") % {"name": obj.name},
        form=_back_form,
        is_offered=lambda obj: obj.aliases.exists(),
        is_in_head=False,
        from_query=("name",),
    ),
    Verb(
        "remove-alias",
        _("Remove the alias"),
        "registry.delete_modelalias",
        _remove,
        title=lambda obj: gettext("Which alias of %(name)s shall go?") % {"name": obj.name},
        consequence=lambda _obj: Consequence(_("Whoever calls the model by this name finds nothing then.")),
        form=_remove_form,
        is_offered=lambda obj: obj.aliases.exists(),
        is_destructive=True,
        is_in_head=False,
        from_query=("name",),
    ),
)
