"""`manage.py end_route NAME VERSION`: ends a canary or a shadow."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from inference import services
from inference.management.traffic import TrafficCommand, find_deployment, find_version
from inference.models import Deployment, Route


class Command(TrafficCommand):
    """Does nothing where the version is neither any more; safe to run twice."""

    help = "End a canary, whose share goes back to the live versions, or a shadow."

    def add_own(self, parser: CommandParser) -> None:
        """Take the version."""
        parser.add_argument("version", type=int, help="the version of the canary or shadow")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """End it."""
        deployment = find_deployment(options["name"])
        version = find_version(deployment, options["version"])
        tried = deployment.routes.filter(version=version).exclude(kind=Route.Kind.LIVE).first()
        if tried is not None:
            services.end_route(route=tried, actor=actor, reason=options["reason"])
        return deployment
