"""What the editor of a recipe works with: kinds of steps, versions to try it on, words."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import thousands
from datasets.admin.shown import TYPES
from datasets.models import Artefact, DatasetVersion, Recipe, RecipeVersion
from datasets.services import recipes as services
from files.models import StoredFile

OFFERED = 200
# The texts of the scripts, by the names that they know.
WORDS = {
    "choose": _("– choose –"),
    "none": _("– none –"),
    "needed": _("needed"),
    "notThere": _("{name} (not there)"),
    "addColumn": _("+ add a column"),
    "take": _("Take {name} away"),
    "from": _("from"),
    "to": _("to"),
    "takePair": _("Take this line away"),
    "addPair": _("+ another line"),
    "yes": _("yes"),
    "no": _("no"),
    "missing": _("missing"),
    "emptyText": _("(empty)"),
    "row": _("Row"),
    "rows": _("rows"),
    "before": _("before"),
    "after": _("after"),
    "newColumn": _("new"),
    "goneColumn": _("gone"),
    "dropped": _("dropped"),
    "added": _("new"),
    "beforeAndAfter": _("Rows before and after"),
    "rowsChanged": _("{count} changed"),
    "rowsDropped": _("{count} dropped"),
    "rowsAdded": _("{count} new"),
    "columnsNew": _("new columns: {count}"),
    "columnsGone": _("columns gone: {count}"),
    "reordered": _("other order"),
    "nothingChanged": _("nothing changes in these rows"),
    "hiddenColumns": _("{count} more columns are not shown."),
    "othersCut": _("Only the first rows of {names} were looked at; the run looks at all."),
    "report": _("What the step reports"),
    "waits": _("A step before this one has to work first."),
    "isOff": _("This step is switched off."),
    "sampled": _("A sample: {count} of {total} rows. Figures of the whole may differ."),
    "allRows": _("All {count} rows."),
    "addFirst": _("Add a step to see what it does."),
    "fillIn": _("Fill in step {place} first."),
    "preview": _("Preview"),
    "stepDoes": _("Step {place}: {name}"),
    "short": _("{count} changed"),
    "unknownKind": _("This kind of step is not known here. It can only be taken out."),
    "drag": _("Drag to another place"),
    "note": _("Note"),
    "notePlaceholder": _("Note: why this step is here"),
    "isOn": _("on"),
    "up": _("Earlier (Alt ↑)"),
    "down": _("Later (Alt ↓)"),
    "duplicate": _("Duplicate"),
    "remove": _("Delete"),
    "moved": _("{name} is step {place} of {count} now."),
    "deleted": _("{name} was deleted."),
    "added_": _("{name} was added as step {place}."),
    "undone": _("Undone."),
    "away": _("The server does not answer. What you wrote is still here."),
    "saved": _("Saved as version {number}."),
    "versionNumber": _("version {number}"),
    "lookAtVersions": _("Look at the versions"),
    "saveAnyway": _("Save mine on top"),
    "saveFirst": _("Save the recipe before you run it."),
    "noKind": _("No step has these words."),
}


def editor(request: HttpRequest, recipe: Recipe) -> dict[str, Any]:
    """Give the context of the page."""
    from datasets.catalogue import catalogue  # noqa: PLC0415 - web loads frames only where steps are wanted

    version = services.latest(recipe)
    may_look = request.user.has_perm("datasets.view_datasetversion")  # type: ignore[union-attr]
    chosen = chosen_version(request.GET.get("version", ""), recipe) if may_look else None
    can_change = recipe.archived_at is None and request.user.has_perm("datasets.change_recipe")  # type: ignore[union-attr]
    offered = version_choices(chosen) if may_look else []
    page = {
        "steps": version.steps,
        "number": version.number,
        "kinds": catalogue(),
        "schema": chosen.columns if chosen else None,
        "versions": [{"value": value, "label": label} for value, label in offered],
        "tokenizers": _tokenizers(request.user.pk) if may_look else [],
        "canChange": can_change,
        **{f"{name}Url": reverse(f"admin:datasets_recipe_{name}", args=[recipe.pk]) for name in _PAGES},
    }
    return {
        "version": version,
        "page": page,
        "words": words(),
        "offered": offered,
        "chosen": str(chosen.pk) if chosen else "",
        "can_change": can_change,
        "can_run": recipe.archived_at is None and request.user.has_perm("datasets.run_recipe"),  # type: ignore[union-attr]
        "run_url": reverse("admin:datasets_recipe_run", args=[recipe.pk]),
        "labels": _labels(version, page["kinds"]),
    }


_PAGES = ("preview", "save", "run", "versions")


def chosen_version(given: str, recipe: Recipe) -> DatasetVersion | None:
    """Give the version that an address names, else the one that the recipe ran on last, else the newest one."""
    found = DatasetVersion.objects.sealed().select_related("dataset")
    try:
        named = found.filter(pk=UUID(given)).first() if given else None
    except ValueError:
        named = None
    ran_on = found.filter(children__recipe__recipe=recipe).order_by("-children__id")
    newest = found.filter(dataset__archived_at=None).order_by("-id")
    return named or ran_on.first() or newest.first()


def version_choices(chosen: DatasetVersion | None) -> list[tuple[str, str]]:
    """Give the newest sealed versions as (id, words), with the one that is chosen."""
    newest = DatasetVersion.objects.sealed().filter(dataset__archived_at=None).select_related("dataset")
    versions = list(newest.only("id", "number", "rows", "dataset__name").order_by("-id")[:OFFERED])
    if chosen and chosen.pk not in {one.pk for one in versions}:
        versions.insert(0, chosen)
    rows = gettext("%(version)s · %(rows)s rows")
    return [(str(one.pk), rows % {"version": one, "rows": thousands(one.rows)}) for one in versions]


def _tokenizers(person: int | None) -> list[dict[str, str]]:
    """Give what may be a tokenizer: files that steps kept, and the person's own."""
    kept = Artefact.objects.filter(name__endswith=".json").select_related("preprocessing__version__dataset")
    own = StoredFile.objects.visible_to(person).present().filter(name__endswith=".json")
    found = {one.blob_id: f"{one.name} · {one.preprocessing.version}" for one in kept.order_by("-id")[:OFFERED]}
    found |= {one.blob_id: one.name for one in own.order_by("-id")[:OFFERED]}
    return [{"value": value, "label": label} for value, label in found.items()]


def _labels(version: RecipeVersion, kinds: list[dict[str, Any]]) -> list[str]:
    """Give the names of the steps, for readers without scripts."""
    known = {kind["kind"]: kind["label"] for kind in kinds}
    return [known.get(step["kind"], step["kind"]) for step in version.steps]


def words() -> dict[str, Any]:
    """Give the texts of the scripts."""
    types = {name: str(label) for name, label in TYPES.items()}
    return {"types": types, **{name: str(text) for name, text in WORDS.items()}}
