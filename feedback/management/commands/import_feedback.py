"""`manage.py import_feedback FILE --user U`: feedback that was gathered elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import acting, told_as_command_errors
from feedback.services.importing import begin_import
from files.services import add_file
from jobs.following import follow


class Command(BaseCommand):
    """Brings in a file once however often it is called: the same words change nothing."""

    help = (
        "Bring in feedback from CSV or JSON Lines: request_id, row, person, thumb, rating, correction, labels, comment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and whose it is."""
        parser.add_argument("path", type=Path, help="CSV or JSON Lines")
        parser.add_argument("--user", required=True, help="who brings it in")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin, follow, tell the rows that were set aside; the last line counts."""
        user = acting(options["user"], "feedback.import_feedback")
        if not options["path"].is_file():
            raise CommandError(f"there is no file {options['path']}")
        with told_as_command_errors():
            with options["path"].open("rb") as stream:
                file = add_file(stream=stream, name=options["path"].name, owner=user)
            job = begin_import(file=file, actor=user)
        self.stdout.write(f"job {job.pk}")
        if options["no_wait"]:
            return
        result = follow(job, self.stdout).result
        for one in result["rejects"]:
            self.stderr.write(f"line {one['line']}: {one['reason']}")
        counts = ", ".join(f"{result[name]} {name}" for name in ("new", "changed", "same", "set_aside"))
        self.stdout.write(self.style.SUCCESS(counts))
