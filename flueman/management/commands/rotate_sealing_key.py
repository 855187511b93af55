"""`manage.py rotate_sealing_key`: seals what is sealed with older keys anew, with the newest."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from audit.services import record
from common.commands import ACTOR, told_as_command_errors
from common.sealing import reseal_all
from flueman.secrets import add_sealing_key


class Command(BaseCommand):
    """Safe to run twice, and while Flueman serves."""

    help = (
        "Seal vendors' secrets in the database anew with the first of SEALING_KEYS. Put a new key in front and restart "
        "first (--new makes one where FLUEMAN_HOME keeps the keys); take the old ones away afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--new", action="store_true", help="only put a new key in front, in FLUEMAN_HOME")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make a key, or seal anew and say what was done."""
        if options["new"]:
            add_sealing_key(settings.FLUEMAN_HOME)
            self.stdout.write("A new key is in front. Restart Flueman, then run this command again without --new.")
            return
        with told_as_command_errors():
            counts = reseal_all(is_dry_run=options["dry_run"])
        for column, count in counts.items():
            self.stdout.write(f"{column}: {count}")
        if not options["dry_run"]:
            with transaction.atomic():
                record(action="sealing.rotate", actor=ACTOR, after=counts)
        verb = "would be sealed" if options["dry_run"] else "sealed"
        self.stdout.write(self.style.SUCCESS(f"{sum(counts.values())} {verb} with the newest key."))
