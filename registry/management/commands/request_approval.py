"""`manage.py request_approval VERSION --alias champion --user NAME`: asks others to agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from registry import services
from registry.management.asking import WISH, find_version


class Command(BaseCommand):
    """Gathers the evidence and tells those who may decide."""

    help = f"Ask others to agree that a version gets an alias or serves a deployment. {WISH}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is wanted, why, and who."""
        parser.add_argument("version", metavar="VERSION")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--alias", default="")
        what.add_argument("--deployment", default="")
        parser.add_argument("--remove", action="store_true", help="that the alias is taken away")
        parser.add_argument("--old-alias", default="", help="what the version that has it now is called afterwards")
        parser.add_argument("--comment", default="", help="why")
        parser.add_argument("--user", required=True, help="who asks")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask; the last line has the id to decide by."""
        actor = acting(options["user"], "registry.add_approvalrequest")
        with told_as_command_errors():
            asked = services.request_approval(
                version=find_version(options["version"]),
                actor=actor,
                alias=options["alias"],
                deployment=options["deployment"],
                comment=options["comment"],
                is_removal=options["remove"],
                old_alias=options["old_alias"],
            )
        for reason in asked.evidence.get("gate", []):
            self.stdout.write(f"the gate: {reason['message']}")
        self.stdout.write(f"{asked.pk} waits for {asked.approvals_needed} approvals: {asked}")
