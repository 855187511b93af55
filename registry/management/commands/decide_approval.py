"""`manage.py decide_approval ID approve|reject|withdraw|carry-out --user NAME`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from registry import services
from registry.management.asking import find_request

DECIDE = "registry.decide_approvalrequest"
PERMISSIONS = {
    "approve": DECIDE,
    "reject": DECIDE,
    "withdraw": "registry.add_approvalrequest",
    "carry-out": "registry.add_approvalrequest",
}


class Command(BaseCommand):
    """Who asked, and who made the version, cannot approve here either."""

    help = "Decide over a request for approval, withdraw it, or carry out what was approved."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the request, what to do with it, why, and who."""
        parser.add_argument("request", metavar="ID", help="the id, or how it begins")
        parser.add_argument("verb", choices=list(PERMISSIONS))
        parser.add_argument("--comment", default="", help="why")
        parser.add_argument("--user", required=True, help="who does it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; the last line is the state of the request."""
        verb, comment = options["verb"], options["comment"]
        actor = acting(options["user"], PERMISSIONS[verb])
        with told_as_command_errors():
            asked = find_request(options["request"])
            if verb == "withdraw":
                asked = services.withdraw(request=asked, actor=actor, comment=comment)
            elif verb == "carry-out":
                asked = services.carry_out(request=asked, actor=actor, reason=comment)
            else:
                asked = services.decide(request=asked, actor=actor, verdict=verb, comment=comment)
        self.stdout.write(f"{asked}: {asked.state}, {asked.decisions.count()} of {asked.approvals_needed} approvals")
