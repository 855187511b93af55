"""Writes of recipes: made, saved as versions, put aside, read from YAML, run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.services import record
from common.errors import Conflict, Invalid, NotAllowed, NotReady
from common.transactions import transactional
from datasets.models import Dataset, DatasetVersion, PreprocessingJob, Recipe, RecipeVersion
from datasets.services.datasets import dataset_named
from datasets.services.naming import bring_back, kept_name, put_aside, save_named
from datasets.services.preprocessing import begin_preprocessing
from datasets.services.versions import begin_version, sealed_version

JOB_KIND = "datasets.run_recipe"
LARGEST_BYTES = 200 * 1024  # what YAML may have, less what writing it down adds
_MOST_EARLIER = 50
_UNDER_WAY = (DatasetVersion.State.WRITING, DatasetVersion.State.SEALED)


@transactional
def create_recipe(
    *, name: str, actor: Any, steps: Sequence[Any] = (), description: str = "", note: str = ""
) -> RecipeVersion:
    """Make a recipe and its first version. Raises Conflict if there is one of that name, Invalid."""
    kept = _read(steps)
    recipe = Recipe(name=kept_name(name), description=description, owner=_person(actor), last_version=1)
    save_named(recipe)
    version = _add_version(recipe, kept, actor, note)
    record(action="datasets.recipe_created", actor=actor, target=recipe, after=_facts(recipe, kept))
    return version


@transactional
def change_recipe(*, recipe: Recipe, actor: Any, **facts: Any) -> Recipe:
    """Change name or description. Raises Invalid, Conflict for a name that is taken."""
    before = {field: getattr(recipe, field) for field in facts}
    save_named(recipe, facts)
    after = {field: getattr(recipe, field) for field in facts}
    if before != after:
        record(action="datasets.recipe_changed", actor=actor, target=recipe, before=before, after=after)
    return recipe


@transactional
def save_recipe(
    *, recipe: Recipe, steps: Sequence[Any], actor: Any, based_on: int | None = None, note: str = ""
) -> RecipeVersion:
    """Keep steps as the next version, or give the last one if they are the same.

    `based_on` is the version that was edited. Raises Invalid, Conflict if another was saved meanwhile or the recipe is
    archived.
    """
    kept = _read(steps)
    last = latest(recipe)
    if based_on is not None and based_on != last.number:
        raise _overtaken(last)
    if last.steps == kept:
        return last
    counted = Recipe.objects.present().filter(pk=recipe.pk, last_version=last.number)
    if not counted.update(last_version=last.number + 1, updated_at=timezone.now()):
        recipe.refresh_from_db()
        if recipe.archived_at:
            raise Conflict(_("The recipe is archived."), code="archived")
        raise _overtaken(latest(recipe))
    recipe.refresh_from_db()
    version = _add_version(recipe, kept, actor, note)
    before, after = _facts(recipe, last.steps), _facts(recipe, kept)
    record(action="datasets.recipe_saved", actor=actor, target=recipe, before=before, after=after, reason=note)
    return version


@transactional
def update_recipe(
    *, recipe: Recipe, actor: Any, steps: Sequence[Any] | None, based_on: int | None, note: str, **facts: Any
) -> Recipe:
    """Save steps, if there are any, and change words, all or nothing. Raises as `save_recipe` and `change_recipe`."""
    if steps is not None:
        save_recipe(recipe=recipe, steps=steps, actor=actor, based_on=based_on, note=note)
    return change_recipe(recipe=recipe, actor=actor, **facts) if facts else recipe


@transactional
def archive_recipe(*, recipe: Recipe, actor: Any, reason: str = "") -> Recipe:
    """Take a recipe out of the lists; versions that it made still name it. Raises Conflict."""
    put_aside(recipe, actor=actor, reason=reason)
    return recipe


@transactional
def restore_recipe(*, recipe: Recipe, actor: Any, reason: str = "") -> Recipe:
    """Put an archived recipe back into the lists. Raises Conflict if it is not archived."""
    bring_back(recipe, actor=actor, reason=reason)
    return recipe


@transactional
def import_recipe(*, text: str, actor: Any) -> tuple[RecipeVersion, bool]:
    """Keep a recipe written as YAML: new, or the next version of the one of its name. Tells whether it is new.

    Raises Invalid that names the line, Conflict.
    """
    from datasets.recipe_yaml import from_yaml  # noqa: PLC0415 - as `_read`

    written = from_yaml(text)
    try:
        found = Recipe.objects.filter(name=kept_name(written.name)).first()
        if found is None:
            words = {"name": written.name, "description": written.description}
            return create_recipe(actor=actor, steps=written.steps, **words), True
        version = save_recipe(recipe=found, steps=written.steps, actor=actor)
    except Invalid as error:
        raise written.told(error) from None
    if written.description and written.description != found.description:
        change_recipe(recipe=found, actor=actor, description=written.description)
    return version, False


@transactional
def read_steps(*, recipe: Recipe, text: str, actor: Any) -> RecipeVersion:
    """Keep the steps of a text of YAML as the next version of a recipe, whatever the text calls itself."""
    from datasets.recipe_yaml import from_yaml  # noqa: PLC0415 - as `_read`

    written = from_yaml(text)
    try:
        return save_recipe(recipe=recipe, steps=written.steps, actor=actor)
    except Invalid as error:
        raise written.told(error) from None


def recipe_as_yaml(version: RecipeVersion) -> str:
    """Write a version down."""
    from datasets.recipe_yaml import to_yaml  # noqa: PLC0415 - as `_read`

    return to_yaml(version.recipe.name, version.recipe.description, version.steps)


@transactional
def run_recipe(
    *,
    recipe_version: RecipeVersion,
    version: DatasetVersion,
    actor: Any,
    to: str = "",
    may_add: bool = True,
    engine: str = PreprocessingJob.Engine.LOCAL,
    is_again: bool = False,
) -> PreprocessingJob:
    """Begin the run that makes a new version of the dataset called `to`, by default of the same one.

    The run that has made, or is making, the same of the same rows is given instead unless `is_again`. A dataset that is
    not there yet is made if the actor `may_add` one. Raises NotReady, Conflict, NotAllowed, Invalid if a step cannot
    work on these columns.
    """
    if not version.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": version}, code="not_sealed")
    steps = check_fit(recipe_version=recipe_version, version=version)
    target = _target(to, actor, may_add) if to else version.dataset
    if not is_again and (earlier := _earlier(target, version, recipe_version)):
        return earlier
    made = begin_version(dataset=target, actor=actor, parent=version, recipe=recipe_version)
    run = begin_preprocessing(
        kind=PreprocessingJob.Kind.RECIPE,
        version=made,
        actor=actor,
        steps=[*steps, ("write", gettext_noop("Write the version"))],
        job_kind=JOB_KIND,
        engine=engine,
        options={"time_zone": settings.TIME_ZONE},
        rows_total=version.rows,
    )
    after = {"recipe": str(recipe_version), "of": str(version), "makes": str(made), "engine": engine}
    record(action="datasets.recipe_run", actor=actor, target=recipe_version.recipe, after=after)
    return run


def run_that_made(*, version: DatasetVersion, recipe_version: RecipeVersion) -> PreprocessingJob | None:
    """Give the run of the same steps that made a version, in whatever time zone; `None` if it came from elsewhere."""
    runs = PreprocessingJob.objects.filter(kind=PreprocessingJob.Kind.RECIPE, version=version)
    run = runs.select_related("version__recipe", "version__dataset", "job").first()
    is_same = run and run.version.recipe and _effective(run.version.recipe.steps) == _effective(recipe_version.steps)
    return run if is_same else None


def check_fit(*, recipe_version: RecipeVersion, version: DatasetVersion) -> list[tuple[str, str | Promise]]:
    """Give kind and label of each step. Raises Invalid that names the step which cannot work on these columns."""
    from datasets.planning import check, parse_steps, schema_of  # noqa: PLC0415 - as `_read`

    planned = parse_steps(recipe_version.steps)
    if not any(one.is_enabled for one in planned):
        raise Invalid(_("The recipe has no step that is switched on."), code="empty_recipe")
    check(planned, schema_of(version.columns), lambda key: schema_of(sealed_version(key).columns))
    return [(one.step.kind, one.step.label) for one in planned]


def latest(recipe: Recipe) -> RecipeVersion:
    """Give the last version of a recipe."""
    return recipe.versions.select_related("recipe").get(number=recipe.last_version)


def _target(name: str, actor: Any, may_add: bool) -> Dataset:
    if not may_add and not Dataset.objects.filter(name=kept_name(name)).exists():
        said = _("There is no dataset “%(name)s”, and you may not make one.") % {"name": name}
        raise NotAllowed(said, fields={"to": said})
    return dataset_named(name=name, actor=actor)


def _earlier(target: Dataset, version: DatasetVersion, recipe_version: RecipeVersion) -> PreprocessingJob | None:
    """Give the run that has made, or is making, the same: rows of the same digest by the same steps and calendar."""
    runs = PreprocessingJob.objects.filter(
        kind=PreprocessingJob.Kind.RECIPE,
        version__dataset=target,
        version__state__in=_UNDER_WAY,
        version__parent__digest=version.digest,
    )
    wanted = _effective(recipe_version.steps)
    for run in runs.select_related("version__recipe", "version__dataset", "job").order_by("-id")[:_MOST_EARLIER]:
        is_dead = not run.version.is_sealed and (run.job is None or run.job.is_finished)
        is_same = run.version.recipe and _effective(run.version.recipe.steps) == wanted
        if is_same and not is_dead and _has_todays_calendar(run, recipe_version.steps):
            return run
    return None


def _has_todays_calendar(run: PreprocessingJob, steps: Sequence[dict[str, Any]]) -> bool:
    """Tell whether steps would come to the same in the time zone of today; a run that names none was of UTC."""
    from datasets.steps.base import kind_of  # noqa: PLC0415 - as `_read`

    is_same = run.options.get("time_zone", "UTC") == settings.TIME_ZONE
    return is_same or not any(kind_of(step["kind"]).has_calendar for step in steps if step["is_enabled"])


def _effective(steps: Sequence[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(step["kind"], step["params"]) for step in steps if step["is_enabled"]]


def _read(steps: Sequence[Any]) -> list[dict[str, Any]]:
    """Give steps in the one form in which they are kept. Raises Invalid."""
    from datasets.planning import parse_steps  # noqa: PLC0415 - web loads no frames until a recipe is written

    kept = [planned.raw for planned in parse_steps(steps)]
    if len(json.dumps(kept, ensure_ascii=False).encode()) > LARGEST_BYTES:
        raise Invalid(_("A recipe has at most %(size)d KB.") % {"size": LARGEST_BYTES // 1024}, code="too_large")
    return kept


def _add_version(recipe: Recipe, steps: list[dict[str, Any]], actor: Any, note: str) -> RecipeVersion:
    version = RecipeVersion(
        recipe=recipe, number=recipe.last_version, steps=steps, note=note[:255], created_by=_person(actor)
    )
    version.save(force_insert=True)
    return version


def _facts(recipe: Recipe, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give what the audit keeps: which steps, not what words they look for."""
    return {"name": recipe.name, "version": recipe.last_version, "steps": [step["kind"] for step in steps]}


def _person(actor: Any) -> Any:
    return actor if getattr(actor, "pk", None) else None


def _overtaken(last: RecipeVersion) -> Conflict:
    said = _("Somebody saved version %(number)d meanwhile. Look at the differences, then save again.")
    return Conflict(said % {"number": last.number}, code="overtaken")
