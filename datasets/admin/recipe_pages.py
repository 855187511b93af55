"""The pages beside the editor of a recipe: a new one, preview and saving, versions, YAML."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common import strict_json
from common.admin import ModelAdmin, require
from common.confirm import show_refusal
from common.errors import FluemanError, Invalid
from common.numbers import whole
from common.wording import in_words, refused_in_words
from datasets.admin.recipe_editor import version_choices
from datasets.models import Recipe, RecipeVersion
from datasets.previewing.asking import preview
from datasets.ready import READY, steps_for
from datasets.services import recipes as services
from datasets.services.versions import sealed_version

VERSIONS_SHOWN = 20


class NewRecipeForm(forms.Form):
    """Where a recipe begins."""

    name = forms.CharField(label=_("Name"), max_length=100, required=False)
    description = forms.CharField(label=_("What it is for"), max_length=500, required=False)
    begin = forms.ChoiceField(label=_("Begin with"), required=False, choices=[("", ""), *((key, "") for key in READY)])
    version = forms.ChoiceField(
        label=_("For the columns of"),
        required=False,
        help_text=_("Its first column of text is what a ready recipe works on."),
    )
    yaml = forms.CharField(
        label=_("Or read it from YAML"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields["version"].choices = [("", "–"), *version_choices(None)]  # type: ignore[attr-defined]


def new_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponseBase:
    """Make a recipe: empty, a ready one, or from YAML."""
    require(request, "datasets.add_recipe")
    form = NewRecipeForm(request.POST if request.method == "POST" else None)
    form.initial["version"] = request.GET.get("version", "")
    if form.is_bound and form.is_valid():
        try:
            made = _make(form.cleaned_data, request.user)
        except FluemanError as error:
            show_refusal(form, error)
        else:
            version = form.cleaned_data["version"]
            return HttpResponseRedirect(f"{model_admin.url_of(made.recipe)}{f'?version={version}' if version else ''}")
    return model_admin.page(
        request,
        "admin/datasets/recipe_new.html",
        title=gettext("New recipe"),
        form=model_admin.dress(form),
        ready=[(key, one.label, one.help) for key, one in READY.items()],
    )


def _make(said: dict[str, Any], actor: Any) -> RecipeVersion:
    if said["yaml"].strip():
        return services.import_recipe(text=said["yaml"], actor=actor)[0]
    if not said["name"]:
        needed = gettext("A recipe needs a name.")
        raise Invalid(needed, fields={"name": needed})
    version = sealed_version(said["version"]) if said["version"] else None
    steps = steps_for(said["begin"], version.columns if version else []) if said["begin"] else []
    return services.create_recipe(name=said["name"], description=said["description"], steps=steps, actor=actor)


def preview_view(model_admin: ModelAdmin, request: HttpRequest, key: Any) -> HttpResponseBase:
    """Try half-done steps on a few rows of a version."""
    require(request, "datasets.view_recipe")
    require(request, "datasets.view_datasetversion")
    try:
        said = _said(request, steps=list, version=str, selected=int)
        version = sealed_version(said["version"])
        seen = preview(version=version, steps=said["steps"], selected=said["selected"], person=request.user.pk)
        return JsonResponse(seen)
    except FluemanError as error:
        return _refused(error)


def save_view(model_admin: ModelAdmin, request: HttpRequest, key: Any) -> HttpResponseBase:
    """Keep the steps as the next version."""
    require(request, "datasets.change_recipe")
    recipe = recipe_of(key)
    try:
        said = _said(request, steps=list, based_on=int, note=str)
        version = services.save_recipe(recipe=recipe, actor=request.user, **said)
    except FluemanError as error:
        recipe.refresh_from_db()
        return _refused(error, last=recipe.last_version)
    return JsonResponse({"number": version.number})


def versions_view(model_admin: ModelAdmin, request: HttpRequest, key: Any) -> HttpResponseBase:
    """Show the versions with what each changed; on POST go back to one."""
    require(request, "datasets.view_recipe")
    recipe = recipe_of(key)
    if request.method == "POST":
        require(request, "datasets.change_recipe")
        return _go_back(model_admin, request, recipe)
    before = whole(request.GET.get("before", ""))
    versions = recipe.versions.select_related("created_by", "recipe").order_by("-number")
    if before is not None:
        versions = versions.filter(number__lt=before)
    found = list(versions[: VERSIONS_SHOWN + 1])
    for version, older in zip(found, [*found[1:], None], strict=True):
        version.lines = _changes(older, version)  # type: ignore[attr-defined]
    title = gettext("Versions of %(name)s") % {"name": recipe.name}
    return model_admin.page(
        request,
        "admin/datasets/recipe_versions.html",
        title=title,
        original=recipe,
        versions=found[:VERSIONS_SHOWN],
        older=found[VERSIONS_SHOWN - 1].number if len(found) > VERSIONS_SHOWN else None,
        can_change=request.user.has_perm("datasets.change_recipe"),  # type: ignore[union-attr]
    )


def _go_back(model_admin: ModelAdmin, request: HttpRequest, recipe: Recipe) -> HttpResponseBase:
    old = recipe.versions.filter(number=whole(request.POST.get("number", ""))).first()
    if old is None:
        raise Http404
    note = gettext("back to version %(number)d") % {"number": old.number}
    try:
        version = services.save_recipe(recipe=recipe, steps=old.steps, actor=request.user, note=note)
    except FluemanError as error:
        messages.error(request, in_words(error.message))
        return HttpResponseRedirect(request.path)
    said = gettext("Version %(number)d has the steps of version %(old)d.")
    messages.success(request, said % {"number": version.number, "old": old.number})
    return HttpResponseRedirect(model_admin.url_of(recipe))


def _changes(older: RecipeVersion | None, newer: RecipeVersion) -> list[tuple[str, str]]:
    """Give the lines of YAML that differ, each with `-`, `+`, a blank for context, or `@` between two places."""
    if older is None:
        return []
    texts = [services.recipe_as_yaml(one).splitlines() for one in (older, newer)]
    lines = list(unified_diff(*texts, lineterm="", n=2))[2:]
    return [(line[0], "" if line[0] == "@" else line[1:]) for line in lines]


def yaml_view(model_admin: ModelAdmin, request: HttpRequest, key: Any) -> HttpResponseBase:
    """Show the recipe as YAML, or give it as a file; on POST read it from there."""
    require(request, "datasets.view_recipe")
    recipe = recipe_of(key)
    text, error = services.recipe_as_yaml(services.latest(recipe)), ""
    if request.GET.get("as") == "file":
        return _as_file(recipe, text)
    if request.method == "POST":
        require(request, "datasets.change_recipe")
        text = request.POST.get("yaml", "").replace("\r\n", "\n")
        try:
            version = services.read_steps(recipe=recipe, text=text, actor=request.user)
        except FluemanError as refused:
            error = in_words(refused.message)
        else:
            messages.success(request, gettext("Saved as version %(number)d.") % {"number": version.number})
            return HttpResponseRedirect(model_admin.url_of(recipe))
    return model_admin.page(
        request,
        "admin/datasets/recipe_yaml.html",
        title=gettext("%(name)s as YAML") % {"name": recipe.name},
        original=recipe,
        text=text,
        error=error,
        can_change=recipe.archived_at is None and request.user.has_perm("datasets.change_recipe"),  # type: ignore[union-attr]
    )


def _as_file(recipe: Recipe, text: str) -> HttpResponse:
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="recipe-{recipe.pk}.yaml"'
    return response


def recipe_of(key: Any) -> Recipe:
    """Give a recipe, archived or not. Raises Http404."""
    recipe = Recipe.objects.filter(pk=key).first()
    if recipe is None:
        raise Http404
    return recipe


def _said(request: HttpRequest, **kinds: type) -> dict[str, Any]:
    """Give the named values of a JSON body. Raises Invalid."""
    said = strict_json.loads(request.body)
    if not isinstance(said, dict) or not all(type(said.get(name)) is kind for name, kind in kinds.items()):
        raise Invalid(gettext("The request is malformed."), code="malformed")
    return {name: said[name] for name in kinds}


def _refused(error: FluemanError, **more: Any) -> JsonResponse:
    """Tell the script what a service refused: that is for the page to show, not for the browser to complain of."""
    message, fields = refused_in_words(error)
    return JsonResponse({"error": {"code": error.code, "message": message, "fields": fields}, **more})
