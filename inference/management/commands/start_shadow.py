"""`manage.py start_shadow NAME VERSION --share 10`: sends a version copies of a share of the calls."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from inference import services
from inference.management.traffic import TrafficCommand, find_deployment, find_version, route_of
from inference.models import Deployment, Route


class Command(TrafficCommand):
    """Does nothing where the version is a shadow with that share already; safe to run twice."""

    help = "Send a version copies of a share of a deployment's calls; its answers are compared and reach nobody."

    def add_own(self, parser: CommandParser) -> None:
        """Take the version and its share."""
        parser.add_argument("version", type=int, help="a version of the model that is live")
        parser.add_argument("--share", type=int, default=10, help="percent of the calls to copy (10)")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Start it, or change its share."""
        deployment = find_deployment(options["name"])
        version = find_version(deployment, options["version"])
        running = route_of(deployment, version, Route.Kind.SHADOW)
        if running is None or running.weight != options["share"]:
            given = {"share_percent": options["share"], "reason": options["reason"]}
            services.start_shadow(deployment=deployment, version=version, actor=actor, **given)
        return deployment
