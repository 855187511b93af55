"""`manage.py promote NAME VERSION`: lets a canary or shadow answer alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from inference import services
from inference.management.traffic import TrafficCommand, find_deployment, find_version
from inference.models import Deployment


class Command(TrafficCommand):
    """Does nothing where the version answers alone already; safe to run twice."""

    help = "Let a version that is canary, shadow or one of several live ones answer all calls of a deployment."

    def add_own(self, parser: CommandParser) -> None:
        """Take the version."""
        parser.add_argument("version", type=int, help="a version that is tried")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Promote it."""
        deployment = find_deployment(options["name"])
        version = find_version(deployment, options["version"])
        return services.promote(deployment=deployment, version=version, actor=actor, reason=options["reason"])
