"""`manage.py set_alias VERSION ALIAS`: points an alias at a version, takes it away, or rolls it back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from registry import services
from registry.management.asking import WISH, find_model, find_version


class Command(BaseCommand):
    """A protected alias asks the same of a command as of everybody: a person with the right, and approvals."""

    help = f"Point an alias of a model at a version. {WISH}; with --remove or --rollback just the MODEL."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to point where, why, and who."""
        parser.add_argument("version", metavar="VERSION")
        parser.add_argument("alias")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--remove", action="store_true", help="take the alias away")
        what.add_argument("--rollback", action="store_true", help="point it at what it pointed at before")
        parser.add_argument("--old-alias", default="", help="what the version that has it now is called afterwards")
        parser.add_argument("--reason", default="", help="why, for the history and the audit log")
        parser.add_argument("--user", default="", help="who does it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; the last line says where the alias points."""
        name, reason = options["alias"], options["reason"]
        verb = "delete" if options["remove"] else "change"
        actor = acting(options["user"], f"registry.{verb}_modelalias")
        with told_as_command_errors():
            if options["remove"]:
                services.delete_alias(model=find_model(options["version"]), name=name, actor=actor, reason=reason)
                self.stdout.write(f"{options['version']}@{name} is gone")
                return
            if options["rollback"]:
                model = find_model(options["version"])
                alias = services.rollback_alias(model=model, name=name, actor=actor, reason=reason)
            else:
                version, old = find_version(options["version"]), options["old_alias"]
                alias = services.set_alias(
                    model=version.model, name=name, version=version, actor=actor, reason=reason, old_alias=old
                )
        self.stdout.write(f"{alias} points at v{alias.version.number}")
