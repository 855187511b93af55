"""`manage.py show_deployment NAME`: who gets what, what is said of the canary, and the last changes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import told_as_command_errors
from inference import services
from inference.management.traffic import find_deployment, lines_of, plain
from inference.models import Route


class Command(BaseCommand):
    """Changes nothing."""

    help = "Show the routes of a deployment, the verdict on its canary, and its last changes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the deployment."""
        parser.add_argument("name", help="the deployment")
        parser.add_argument("--changes", type=int, default=10, help="how many changes to show (10)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show changes, newest last, then the routes as they are."""
        with told_as_command_errors():
            deployment = find_deployment(options["name"])
        newest = deployment.revisions.select_related("user").order_by("-number")[: max(0, options["changes"])]
        for one in reversed(newest):
            routes = ", ".join(f"{r['name']} {r['weight']}% {r['kind']}" for r in one.routes)
            by = one.user.get_username() if one.user else one.agent
            told = f"#{one.number} {one.created_at:%Y-%m-%d %H:%M:%S} {one.what} by {by}: {routes}. {one.reason}"
            self.stdout.write(plain(told))
        canary = deployment.routes.filter(kind=Route.Kind.CANARY).select_related("version__model").first()
        if canary:
            verdict = services.canary_standing(canary)
            self.stdout.write(
                f"canary {canary.version}: {verdict.state}, {verdict.canary.requests} calls, {verdict.needed} missing"
            )
        for line in lines_of(deployment):
            self.stdout.write(line)
