"""`manage.py run_recipe RECIPE --dataset NAME`: a recipe over a dataset version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import acting, read_text, told_as_command_errors
from common.names import composed
from datasets.models import DatasetVersion, PreprocessingJob, Recipe, RecipeVersion
from datasets.recipe_yaml import LARGEST_BYTES
from datasets.services import find_version
from datasets.services import recipes as services
from jobs.following import follow


class Command(BaseCommand):
    """Begins a run once however often it is called, and may follow it."""

    help = "Run a recipe over a dataset version; the same work is not done twice unless --again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take recipe, version, target and engine."""
        parser.add_argument("recipe", help="name of a recipe, or a file of YAML, which is kept as one")
        parser.add_argument("--dataset", required=True, metavar="NAME[:N]", help="what it runs on")
        parser.add_argument("--to", default="", metavar="NAME", help="dataset that gets the new version")
        parser.add_argument("--engine", choices=PreprocessingJob.Engine.values, default="local")
        parser.add_argument("--user", help="who acts; whose files steps may name")
        parser.add_argument("--again", action="store_true", help="make it even if it was made before")
        parser.add_argument("--wait", action="store_true", help="follow it to the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin, follow; the last line says what came of it."""
        actor = acting(options["user"], "datasets.run_recipe")
        with told_as_command_errors():
            recipe = _recipe(options["recipe"], options["user"])
            version, to = _meant(options, recipe)
            run = services.run_recipe(
                recipe_version=recipe,
                version=version,
                actor=actor,
                to=to,
                may_add=not options["user"] or actor.has_perm("datasets.add_dataset"),
                engine=options["engine"],
                is_again=options["again"],
            )
        if options["wait"] and run.job and not run.version.is_sealed:
            follow(run.job, self.stdout)
            run.version.refresh_from_db()
        self.stdout.write(self.style.SUCCESS(f"{run.version}: {run.version.state}, {run.version.rows:,} rows"))


def _meant(options: dict[str, Any], recipe: RecipeVersion) -> tuple[DatasetVersion, str]:
    """Give the rows that are meant and the dataset that gets the result.

    Where the newest version is the recipe's own, a second call without `:N` is about the rows that it was made of.
    """
    version = find_version(options["dataset"])
    is_newest = composed(options["dataset"].strip()) == version.dataset.name
    if is_newest and not options["again"] and not options["to"]:
        own = services.run_that_made(version=version, recipe_version=recipe)
        if own and own.version.parent:
            return own.version.parent, version.dataset.name
    return version, options["to"]


def _recipe(named: str, username: str) -> RecipeVersion:
    """Give the last version of a recipe, of one kept now if a file is named."""
    if found := Recipe.objects.filter(name=composed(named)).first():
        return services.latest(found)
    path = Path(named)
    if not path.is_file():
        raise CommandError(f"there is neither a recipe nor a file {named}")
    if path.stat().st_size > LARGEST_BYTES:
        raise CommandError(f"{named}: a recipe has at most {LARGEST_BYTES // 1024} KB")
    return services.import_recipe(text=read_text(path), actor=acting(username, "datasets.add_recipe"))[0]
