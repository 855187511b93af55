"""`manage.py sign_version MODEL VERSION`: prints the address at which a server elsewhere may read a version's files."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from common.commands import ACTOR, told_as_command_errors
from common.names import composed
from inference.elsewhere.artefacts import issue_address
from registry.models import ModelVersion


class Command(BaseCommand):
    """Prints the address alone on its last line."""

    help = "Print a signed address of a version's files, such as FLUEMAN_SOURCE of `python -m inference.standalone`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the version, and how its reader calls this Flueman."""
        parser.add_argument("model")
        parser.add_argument("version", type=int)
        parser.add_argument("--base", default=settings.PUBLIC_URL, help="Flueman as the server reaches it (PUBLIC_URL)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        found = (
            ModelVersion.objects.ready()
            .filter(model__name=composed(options["model"]), number=options["version"])
            .first()
        )
        if found is None:
            raise CommandError(f"{options['model']} has no version {options['version']} that is ready")
        with told_as_command_errors():
            self.stdout.write(options["base"].rstrip("/") + issue_address(version=found, actor=ACTOR, reason="command"))
