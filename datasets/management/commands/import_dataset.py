"""`manage.py import_dataset PATH --name NAME`: the rows of a file as a version of a dataset."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import acting, told_as_command_errors
from common.names import composed
from datasets import services
from datasets.formats.facts import ENCODINGS, FORMATS
from datasets.models import Dataset, DatasetVersion, PreprocessingJob
from datasets.services.imports import DEFAULT_LIMIT, reading_of
from files.services import store
from jobs.following import follow


class Command(BaseCommand):
    """Imports the same content once, however often it is called."""

    help = "Import the rows of a file; the same content read in the same way gives the version that is there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take file, name and how it is read."""
        parser.add_argument("path", type=Path)
        parser.add_argument("--name", required=True, help="the dataset, made if there is none")
        parser.add_argument("--format", default="", choices=["", *FORMATS])
        parser.add_argument("--encoding", default="", choices=["", *ENCODINGS])
        parser.add_argument("--delimiter", default="", help="one character, or tab")
        parser.add_argument("--sheet", default="")
        parser.add_argument("--no-header", action="store_true", help="the first line is a row")
        parser.add_argument("--types", nargs="*", default=[], metavar="COLUMN=TYPE", help="drop leaves a column out")
        parser.add_argument("--names", nargs="*", default=[], metavar="COLUMN=NAME")
        parser.add_argument(
            "--limit-rejects", default=DEFAULT_LIMIT, metavar="100|5%%", help="rows that may be set aside"
        )
        parser.add_argument("--again", action="store_true", help="make a version even of known content")
        parser.add_argument("--user", help="who acts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Store, begin, follow; the last line says what came of it."""
        known = Dataset.objects.filter(name=composed(options["name"])).first()
        actor = acting(options["user"], "datasets.add_source", *["datasets.add_dataset"] * (known is None))
        if not options["path"].is_file():
            raise CommandError(f"there is no file {options['path']}")
        with told_as_command_errors():
            version = _known_or_begun(options, known, actor)
        if isinstance(version, PreprocessingJob):
            assert version.job is not None
            follow(version.job, self.stdout)
            version = DatasetVersion.objects.select_related("dataset").get(pk=version.version_id)
        told = f"{version}: {version.rows:,} rows, {len(version.columns)} columns"
        told += f", {version.rejected_rows:,} rows set aside" if version.rejected_rows else ""
        self.stdout.write(self.style.SUCCESS(told))


def _known_or_begun(options: dict[str, Any], known: Dataset | None, actor: Any) -> DatasetVersion | PreprocessingJob:
    reading = _reading(options)
    blob = store(options["path"])
    if not options["again"] and (
        same := services.same_version(dataset=known, blob=blob, reading=asdict(reading_of(reading)))
    ):
        return same
    return services.import_dataset(
        dataset=options["name"],
        kind="file",
        options={},
        stored=(blob, options["path"].name),
        reading=reading,
        limit=options["limit_rejects"],
        actor=actor,
    )


def _reading(options: dict[str, Any]) -> dict[str, Any]:
    found = {name: options[name] for name in ("format", "encoding", "delimiter", "sheet")}
    pairs = {name: dict(_pair(one) for one in options[name]) for name in ("types", "names")}
    return {**found, **pairs, "has_header": not options["no_header"]}


def _pair(text: str) -> tuple[str, str]:
    column, equals, value = text.rpartition("=")
    if not equals or not column or not value:
        raise CommandError(f"{text}: write it as COLUMN=VALUE")
    return column, value
