"""`manage.py verify_audit`: prove the audit chain whole, or name its first broken event."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.verification import verify


class Command(BaseCommand):
    """Exit code 0 for a whole chain, 1 for a broken one."""

    help = "Walk the audit chain and prove it whole, or name the first event that was edited, removed or inserted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the form of the answer."""
        parser.add_argument("--json", action="store_true", help="answer as one JSON object")

    def handle(self, **options: Any) -> None:
        """Verify and say what was found."""
        found = verify()
        if options["json"]:
            self.stdout.write(json.dumps({"is_whole": found.is_whole, **asdict(found)}, ensure_ascii=False))
        if not found.is_whole:
            raise CommandError(str(found))
        if not options["json"]:
            self.stdout.write(str(found))
