"""Serves the deployed model versions, each in a process of its own."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import CHECKS_OF_SETTINGS
from common.errors import FluemanError
from inference.host.host import run_host


class Command(BaseCommand):
    """Runs until SIGTERM."""

    requires_system_checks = CHECKS_OF_SETTINGS
    help = "Loads the deployed model versions, each in a confined process of its own, and keeps them serving."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address for web on other machines."""
        parser.add_argument(
            "--listen",
            default=settings.MODEL_HOST["LISTEN"],
            metavar="ADDRESS:PORT",
            help="also serve other machines, by TLS with a shared token: 0.0.0.0:8700",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        try:
            run_host(options["listen"], self.stdout.write)
        except FluemanError as error:
            raise CommandError(error.message) from error
        self.stdout.write("The model host has stopped.")
