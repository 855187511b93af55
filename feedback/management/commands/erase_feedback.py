"""`manage.py erase_feedback --end-user X --reason R`, or `--expired`: feedback that goes for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import ACTOR, told_as_command_errors
from feedback.services.forgetting import erase_end_user, expired, forget_expired, said_by


class Command(BaseCommand):
    """Safe to run twice: what has gone is gone."""

    help = "Erase all that one end user has said, or what is older than FEEDBACK_KEEP_DAYS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whose words, or that it is their age."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--end-user", help="the id that your application gave the person")
        what.add_argument("--expired", action="store_true", help="what the nightly job does, by hand")
        parser.add_argument("--reason", default="", help="needed for an end user")
        parser.add_argument("--dry-run", action="store_true", help="erase nothing, only say how much would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase and say how much."""
        name = options["end_user"]
        with told_as_command_errors():
            if options["dry_run"]:
                count = said_by(name).count() if name is not None else sum(map(len, expired()))
            elif name is None:
                count = forget_expired(actor=ACTOR)
            elif not options["reason"].strip():
                raise CommandError("say why: --reason")
            else:
                count = erase_end_user(end_user=name, actor=ACTOR, reason=options["reason"])
        verb = "would go" if options["dry_run"] else "gone"
        self.stdout.write(self.style.SUCCESS(f"{verb}: {count} pieces of feedback"))
