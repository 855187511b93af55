"""Serves the deployed model versions, each in a process of its own."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import FluemanError
from inference.host.host import run_host


class Command(BaseCommand):
    """Runs until SIGTERM."""

    help = "Loads the deployed model versions, each in a confined process of its own, and keeps them serving."

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        try:
            run_host()
        except FluemanError as error:
            raise CommandError(error.message) from error
        self.stdout.write("The model host has stopped.")
