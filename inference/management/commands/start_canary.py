"""`manage.py start_canary NAME VERSION --weight 5`: gives a new version a share of the calls."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from inference import services
from inference.management.traffic import TrafficCommand, find_deployment, find_version, route_of
from inference.models import Deployment, Route
from inference.traffic.judging import Guard


class Command(TrafficCommand):
    """Does nothing where the version is the canary with that share already; safe to run twice."""

    help = "Give a new version a share of a deployment's calls; it is stopped by itself where it does harm."

    def add_own(self, parser: CommandParser) -> None:
        """Take the version, its share, and how it grows."""
        parser.add_argument("version", type=int, help="a version of the model that is live")
        parser.add_argument("--weight", type=int, default=5, help="percent of the calls (5)")
        parser.add_argument("--steps", type=int, nargs="*", help="weights it grows to by itself: 25 50 100")
        parser.add_argument("--step-minutes", type=float, help="between steps (10)")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Start it."""
        deployment = find_deployment(options["name"])
        version = find_version(deployment, options["version"])
        running = route_of(deployment, version, Route.Kind.CANARY)
        if running is None or running.weight != options["weight"]:
            given = {"weight": options["weight"], "guard": _guard(options), "reason": options["reason"]}
            services.start_canary(deployment=deployment, version=version, actor=actor, **given)
        return deployment


def _guard(options: dict[str, Any]) -> Guard | None:
    """Give the guard that was asked for, `None` where that of the gate is to count."""
    given = {name: options[name] for name in ("steps", "step_minutes") if options[name] is not None}
    return Guard.from_dict(given) if given else None
