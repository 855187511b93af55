"""`manage.py make_review_dataset NAME --queue Q --user U`: reviewed items as a version of a dataset."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from common.names import composed
from datasets.models import Dataset
from datasets.services.splits import DEFAULT_SHARES
from datasets.services.versions import find_version
from feedback.services.exporting import LIKENESS, make_dataset_version, queues_named
from jobs.following import follow


class Command(BaseCommand):
    """Makes one version of the agreed and settled items of some queues."""

    help = "Make a dataset version of reviewed items."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the dataset, the queues, and what is done on the way."""
        parser.add_argument("name", help="dataset, made if there is none")
        parser.add_argument("--queue", action="append", required=True, help="review queue; may be given again")
        parser.add_argument("--user", required=True, help="who makes it")
        parser.add_argument("--least-agreement", type=float, default=0.0, help="0 to 1")
        parser.add_argument(
            "--against", default="", metavar="NAME:3", help="version whose near duplicates are left out"
        )
        parser.add_argument("--likeness", type=float, default=LIKENESS, help="what counts as near, 0.5 to 1")
        parser.add_argument("--split", action="store_true", help="divide into train, validation and test")
        parser.add_argument("--keep-personal-data", action="store_true", help="do not mask it")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin and follow; the last line says what came of it."""
        is_new = not Dataset.objects.filter(name=composed(options["name"])).exists()
        user = acting(options["user"], "datasets.add_datasetversion", *["datasets.add_dataset"] * is_new)
        with told_as_command_errors():
            made = make_dataset_version(
                queues=queues_named(options["queue"]),
                dataset=options["name"],
                actor=user,
                least_agreement=options["least_agreement"],
                dedup_against=find_version(options["against"]) if options["against"] else None,
                likeness=options["likeness"],
                split=DEFAULT_SHARES if options["split"] else (),
                mask=not options["keep_personal_data"],
            )
        self.stdout.write(f"job {made.job_id}: {made.version}")
        if made.job and not options["no_wait"]:
            result = follow(made.job, self.stdout).result
            dropped = "".join(f", {count} {reason}" for reason, count in result["dropped"].items())
            self.stdout.write(self.style.SUCCESS(f"{result['version']}: {result['rows']} rows{dropped}"))
