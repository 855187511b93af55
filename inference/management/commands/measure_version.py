"""`manage.py measure_version MODEL VERSION`: how fast a version is under each way of running, and what to choose."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import FluemanError
from inference.host import client
from inference.management.commands.set_version_settings import ACTOR, add_version, find_version
from inference.measuring import in_line
from inference.services import keep_measurement, set_version_settings


class Command(BaseCommand):
    """Measures in the model host, in confined processes beside what serves."""

    help = "Measure a model version with other threads, processes and precision, and propose settings for it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the version, and whether to take the proposal up."""
        add_version(parser)
        parser.add_argument("--apply", action="store_true", help="set the version to what is proposed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, say what was found as it is found; the last line is the proposal."""
        try:
            version = find_version(options)
            measured = client.measure(version.pk, lambda line: self.stdout.write(in_line(line)))
            keep_measurement(version=version, measured=measured, actor=ACTOR)
            proposal = measured["proposal"]
            if options["apply"] and proposal:
                set_version_settings(version=version, actor=ACTOR, reason="measured", **proposal)
        except FluemanError as error:
            raise CommandError(error.message) from error
        told = " ".join(f"--{name.replace('_', '-')} {value or 'none'}" for name, value in proposal.items())
        done = "is now set to" if options["apply"] and proposal else "is best set to"
        self.stdout.write(self.style.SUCCESS(f"{version} {done} {told}" if told else f"{version} could not be run"))
