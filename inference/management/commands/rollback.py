"""`manage.py rollback NAME [--to CHANGE]`: gives the live versions the shares that they had before."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from common.errors import NotFound
from inference import services
from inference.management.traffic import TrafficCommand, find_deployment
from inference.models import Deployment, Revision


class Command(TrafficCommand):
    """With `--to` safe to run twice; without, each run goes one step further back."""

    help = "Go back to the shares of before the last change, or after the change --to; canary and shadows end."

    def add_own(self, parser: CommandParser) -> None:
        """Take where to."""
        parser.add_argument("--to", type=int, help="number of a change, as show_deployment tells it")

    def change(self, *, options: dict[str, Any], actor: Any) -> Deployment:
        """Roll back."""
        deployment = find_deployment(options["name"])
        to = _revision(deployment, options["to"]) if options["to"] is not None else None
        return services.rollback(deployment=deployment, to=to, actor=actor, reason=options["reason"])


def _revision(deployment: Deployment, number: int) -> Revision:
    found = deployment.revisions.filter(number=number).first()
    if found is None:
        raise NotFound(f"{deployment.name} has no change {number}")
    return found
