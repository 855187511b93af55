"""The page on which a recipe is run."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, require
from common.confirm import show_refusal
from common.errors import FluemanError
from common.wording import in_words
from datasets.admin.recipe_editor import chosen_version, version_choices
from datasets.admin.recipe_pages import recipe_of
from datasets.models import DatasetVersion, PreprocessingJob, RecipeVersion
from datasets.services import recipes as services


class RunForm(forms.Form):
    """What a recipe is run on, and where the rows go."""

    version = forms.ChoiceField(label=_("Run it on"))
    to = forms.CharField(
        label=_("Dataset that gets the new version"),
        max_length=100,
        required=False,
        help_text=_("Empty: the same dataset. A name that is not there yet makes a new one."),
    )
    engine = forms.ChoiceField(label=_("Where"), choices=PreprocessingJob.Engine.choices)
    is_again = forms.BooleanField(
        label=_("Make it again even if it was made before"),
        required=False,
    )

    def __init__(self, data: Any, chosen: DatasetVersion | None) -> None:
        super().__init__(data, initial={"version": str(chosen.pk) if chosen else ""})
        self.fields["version"].choices = version_choices(chosen)  # type: ignore[attr-defined]
        if not settings.RAY_ADDRESS:
            self.fields["engine"] = forms.CharField(widget=forms.HiddenInput, initial="local")


def run_view(model_admin: ModelAdmin, request: HttpRequest, key: Any) -> HttpResponseBase:
    """Choose what the saved recipe is run on, say what will happen, and begin."""
    require(request, "datasets.run_recipe")
    recipe = recipe_of(key)
    saved = services.latest(recipe)
    given = request.POST.get("version", "") or request.GET.get("version", "")
    chosen = chosen_version(given, recipe)
    form = RunForm(request.POST if request.method == "POST" else None, chosen)
    if form.is_bound and form.is_valid() and chosen:
        try:
            run = services.run_recipe(
                recipe_version=saved,
                version=chosen,
                actor=request.user,
                may_add=request.user.has_perm("datasets.add_dataset"),  # type: ignore[union-attr]
                **{name: form.cleaned_data[name] for name in ("to", "engine", "is_again")},
            )
        except FluemanError as error:
            show_refusal(form, error)
        else:
            if run.version.is_sealed:
                messages.info(request, gettext("This was made before, of the same rows by the same steps."))
            return HttpResponseRedirect(reverse("admin:datasets_preprocessingjob_change", args=[run.pk]))
    return model_admin.page(
        request,
        "admin/datasets/recipe_run.html",
        title=gettext("Run %(recipe)s") % {"recipe": recipe.name},
        original=recipe,
        version=saved,
        chosen=chosen,
        problem="" if form.is_bound or not chosen else _problem(saved, chosen),
        form=model_admin.dress(form),
    )


def _problem(saved: RecipeVersion, chosen: DatasetVersion) -> str:
    """Say why the recipe cannot work on a version; empty if it can."""
    try:
        services.check_fit(recipe_version=saved, version=chosen)
    except FluemanError as error:
        return in_words(error.message)
    return ""
