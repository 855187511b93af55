"""`manage.py write_manifest DEPLOYMENT`: the `InferenceService` with which KServe runs it, on the output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import told_as_command_errors
from inference.elsewhere.manifests import manifest_of
from inference.models import Deployment


class Command(BaseCommand):
    """Reads, and writes nothing but its output."""

    help = "Write the Kubernetes manifest (KServe InferenceService) of a deployment's version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the deployment, and where the cluster finds the files."""
        parser.add_argument("deployment")
        parser.add_argument("--number", type=int, help="of the version; else the canary, else the live one")
        parser.add_argument("--storage-uri", default="", help="folder with the version's files that KServe can read")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the manifest."""
        deployment = Deployment.objects.filter(name=options["deployment"]).first()
        if deployment is None:
            raise CommandError(f"there is no deployment {options['deployment']}")
        with told_as_command_errors():
            text = manifest_of(deployment, version=options["number"], storage_uri=options["storage_uri"])
        self.stdout.write(text)
