"""`manage.py profile_dataset NAME [--version N]`: what is in a dataset, found out now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import told_as_command_errors
from datasets.profile.wording import facts, sentence
from datasets.services import find_version, profile_version


class Command(BaseCommand):
    """Looks at all rows of a version in this process and keeps what is found, in place of what was."""

    help = "Profile a version of a dataset, the newest one unless told otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the dataset and the version."""
        parser.add_argument("name", help="name of the dataset")
        parser.add_argument("--version", "-n", type=int, dest="version_number", help="number of the version")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let `--version` be that of the dataset, not that of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, say how far it is, say what was found; the last line sums it up."""
        number = options["version_number"]
        with told_as_command_errors():
            version = find_version(f"{options['name']}:{number}" if number is not None else options["name"])
            found = profile_version(version=version, report=lambda rows: self._tell(rows, version.rows))
        for finding in found["findings"]:
            self.stdout.write(f"- {sentence(finding, is_exact=found['is_repeated_exact'])}")
        self.stdout.write(self.style.SUCCESS(f"{version}: {facts(version)}"))

    def _tell(self, rows: int, total: int) -> None:
        if self.stderr.isatty():
            share = rows * 100 // max(1, total)
            self.stderr.write(f"\r{share:3d} % {'#' * (share // 4):25} {rows:,} of {total:,} rows", ending="")
            self.stderr.write("", ending="\n" if rows >= total else "")
