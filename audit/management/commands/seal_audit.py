"""`manage.py seal_audit --before TIME`: move old events out of the database into a sealed, signed file."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.sealing import seal
from common.commands import ACTOR, moment, told_as_command_errors


class Command(BaseCommand):
    """Safe to run again after it was cut short."""

    help = "Move events before a time into a sealed file in the anchor; verify_audit goes on reading them there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the time, the reason, and whether it is only a question."""
        parser.add_argument("--before", type=moment, required=True, help="2026-01-31 or 2026-01-31T12:00+09:00")
        parser.add_argument("--reason", default="retention")
        parser.add_argument("--dry-run", action="store_true", help="only say which events would go")

    def handle(self, **options: Any) -> None:
        """Seal and say what went."""
        with told_as_command_errors():
            done = seal(before=options["before"], actor=ACTOR, reason=options["reason"], is_dry_run=options["dry_run"])
        if options["dry_run"]:
            self.stdout.write(f"Events {done.first} to {done.last} would be sealed: {done.removed} rows would go.")
        else:
            self.stdout.write(
                f"Events {done.first} to {done.last} are sealed in {done.file}: {done.removed} rows went."
            )
