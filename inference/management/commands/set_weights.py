"""`manage.py set_weights NAME 7=80 8=20`: gives versions their percent of the calls."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from common.errors import Invalid
from inference import services
from inference.management.traffic import TrafficCommand, find_deployment, find_version
from inference.models import Deployment


class Command(TrafficCommand):
    """Versions that are left out end; safe to run twice."""

    help = "Give versions their percent of a deployment's calls; together they are 100."

    def add_own(self, parser: CommandParser) -> None:
        """Take the weights."""
        parser.add_argument("weights", nargs="+", metavar="VERSION=PERCENT", help="such as 7=80 8=20")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Set them."""
        deployment = find_deployment(options["name"])
        pairs = dict(map(_pair, options["weights"]))
        weights = {find_version(deployment, number).pk: percent for number, percent in pairs.items()}
        reason = options["reason"]
        return services.set_weights(deployment=deployment, weights=weights, actor=actor, reason=reason)


def _pair(text: str) -> tuple[int, int]:
    number, _equals, percent = text.partition("=")
    if not (number.isascii() and number.isdigit() and percent.isascii() and percent.isdigit()):
        raise Invalid(f"{text} is not VERSION=PERCENT")
    return int(number), int(percent)
