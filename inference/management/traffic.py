"""What the commands of traffic share: whose deployment, which version, why, and the routes as their last lines."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from common.errors import NotFound
from common.names import composed
from inference.models import Deployment, Route
from inference.services import live_version
from inference.services.deployments import Actor
from registry.models import ModelVersion

MAY = "inference.deploy_deployment"


class TrafficCommand(BaseCommand):
    """One change of a deployment's traffic: `change` calls a service, then the routes are told."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the deployment, why, and who."""
        parser.add_argument("name", help="the deployment")
        self.add_own(parser)
        parser.add_argument("--reason", default="", help="why, for the history and the audit log")
        parser.add_argument("--user", default="", help="who does it")

    def add_own(self, parser: CommandParser) -> None:
        """Take what this change needs."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Change, and tell what is routed then."""
        actor = acting(options["user"], MAY)
        with told_as_command_errors():
            deployment = self.change(options=options, actor=actor)
        for line in lines_of(deployment):
            self.stdout.write(line)

    @abstractmethod
    def change(self, *, options: dict[str, Any], actor: Actor) -> Deployment:
        """Call the service, and give the deployment."""


def find_deployment(name: str) -> Deployment:
    """Give a deployment by its name. Raises NotFound."""
    deployment = Deployment.objects.filter(name=composed(name)).first()
    if deployment is None:
        raise NotFound(f"there is no deployment '{name}'")
    return deployment


def find_version(deployment: Deployment, number: int) -> ModelVersion:
    """Give a version of the model that is live, by its number. Raises NotFound."""
    live = live_version(deployment)
    found = ModelVersion.objects.filter(model=live.model if live else None, number=number).first()
    if found is None:
        raise NotFound(f"there is no version {number} of the model that {deployment.name} serves")
    return found


def route_of(deployment: Deployment, version: ModelVersion, kind: str) -> Route | None:
    """Give the route of a version, `None` if it has none of that kind."""
    return deployment.routes.filter(version=version, kind=kind).first()


def lines_of(deployment: Deployment) -> list[str]:
    """Give the routes as a table, the summary as its last line."""
    routes = deployment.routes.select_related("version__model", "version__runner").order_by("kind", "-weight", "-id")
    rows = [(str(route.version), route.kind, f"{route.weight}%", _state(route)) for route in routes]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
    table = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    state = "in service" if deployment.is_enabled else "out of service"
    count = deployment.revisions.count()
    return [*table, f"{deployment.name} is {state}, {len(rows)} routes, {count} changes so far"]


def _state(route: Route) -> str:
    runner = getattr(route.version, "runner", None)
    if runner is None:
        return "not begun to load"
    return f"{runner.state}: {plain(runner.error)}" if runner.error else str(runner.state)


def plain(text: str) -> str:
    """Give a text for a terminal: what somebody typed, or a model said, cannot steer it."""
    return "".join(character if character.isprintable() else " " for character in text)
