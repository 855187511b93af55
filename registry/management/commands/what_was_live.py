"""`manage.py what_was_live MODEL --at 2026-11-03T09:00`: the aliases and deployments of a model at a time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from common.commands import moment, told_as_command_errors
from registry.management.asking import find_model
from registry.services.history import as_of


class Command(BaseCommand):
    """Reads only."""

    help = "Tell what the aliases of a model pointed at and what its deployments served at a time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the model and the time."""
        parser.add_argument("model")
        parser.add_argument("--at", type=moment, help="such as 2026-11-03T09:00+09:00; now if it is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell a line for each alias and each share, the summary as the last."""
        with told_as_command_errors():
            then = as_of(find_model(options["model"]), options["at"] or timezone.now())
        for row in then.aliases:
            self.stdout.write(
                f"{row.name}  v{row.version_number}  since {row.since:%Y-%m-%d %H:%M:%S} UTC  {row.actor}"
            )
        for one in then.served:
            self.stdout.write(f"deployment {one.deployment}  v{one.version}  {one.weight}% {one.kind}  {one.by}")
        count = f"{len(then.aliases)} aliases, {len(then.served)} routes"
        self.stdout.write(f"{options['model']} at {then.at:%Y-%m-%d %H:%M:%S} UTC: {count}")
