"""`manage.py export_audit FILE`: a part of the audit chain as one file that proves itself."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from audit.downloads import export_to
from common.commands import ACTOR, moment, told_as_command_errors


class Command(BaseCommand):
    """Streams: a million events need no more memory than a thousand."""

    help = "Write events, checkpoints, public keys and the program that checks them into one zip file for an auditor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file and the range."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--first", type=int, default=1, help="number of the first event")
        parser.add_argument("--last", type=int, help="number of the last event")
        parser.add_argument(
            "--since", type=moment, help="time of the first event, 2026-01-31 or 2026-01-31T12:00+09:00"
        )
        parser.add_argument("--until", type=moment, help="time before which the last event was")

    def handle(self, **options: Any) -> None:
        """Write and say what the file holds."""
        span = {name: options[name] for name in ("first", "last", "since", "until")}
        with told_as_command_errors():
            made = export_to(options["file"], actor=ACTOR, report=self._progress, **span)
        self.stdout.write(
            f"{made['events']} events, {made['first']} to {made['last']}, are in {options['file']}; "
            f"verify them with --key {made['root_key']}."
        )

    def _progress(self, percent: float, step: str) -> None:
        if step.endswith("00,000"):
            self.stdout.write(f"{percent:.0f} % ({step} events)")
