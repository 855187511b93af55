"""`manage.py deploy NAME MODEL VERSION`: lets one version answer all calls of a deployment."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from common.errors import NotFound
from common.names import composed
from inference import services
from inference.management.traffic import TrafficCommand
from inference.models import Deployment
from registry.models import ModelVersion


class Command(TrafficCommand):
    """Makes the deployment if there is none; safe to run twice."""

    help = "Let one version of a model answer all calls of a deployment, which is made if there is none."

    def add_own(self, parser: CommandParser) -> None:
        """Take the version."""
        parser.add_argument("model", help="the model")
        parser.add_argument("version", type=int, help="its version")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Deploy."""
        found = ModelVersion.objects.filter(model__name=composed(options["model"]), number=options["version"]).first()
        if found is None:
            raise NotFound(f"there is no version {options['version']} of a model '{options['model']}'")
        return services.deploy(name=options["name"], version=found, actor=actor, reason=options["reason"])
