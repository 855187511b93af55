"""`manage.py register_remote SERVER MODEL --name N`: makes a model that runs elsewhere a version here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import ACTOR, told_as_command_errors
from inference.management.waiting import wait_for_check
from inference.models import RemoteServer
from inference.services import deploy
from inference.services import remote as services
from registry.manifest import load_json


class Command(BaseCommand):
    """Registers once however often it is called, waits for the check, deploys."""

    help = "Register a model of a server elsewhere as a version of a model, and perhaps deploy it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which model of which server, and what it is called here."""
        parser.add_argument("server", help="the server's name: manage.py add_server")
        parser.add_argument("remote_model", help="the model there")
        parser.add_argument("--remote-version", default="", help="the version there; without it the server chooses")
        parser.add_argument("--name", required=True, help="the model's name here; it is made if there is none")
        parser.add_argument("--signature", type=Path, help="JSON with inputs and outputs, where the server tells none")
        parser.add_argument(
            "--max-batch",
            type=int,
            help="up to how many rows calls travel together, 1: each alone; without it as the server says",
        )
        parser.add_argument("--deploy", action="store_true", help="let it answer for the deployment of the same name")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the check")
        parser.add_argument("--timeout", type=float, default=120, help="seconds to wait for the check (120)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Register, wait, deploy; the last line says what there is now."""
        if options["no_wait"] and options["deploy"]:
            raise CommandError("--deploy needs a version that passed its check: leave out --no-wait")
        server = RemoteServer.objects.filter(name=options["server"]).first()
        if server is None:
            raise CommandError(f"there is no server {options['server']}: manage.py add_server makes one known")
        with told_as_command_errors():
            kept = services.look_at_remote(
                name=options["name"],
                server=server,
                remote_model=options["remote_model"],
                remote_version=options["remote_version"],
                signature=load_json(options["signature"]) if options["signature"] else None,
                max_batch=options["max_batch"],
            )
            version = services.register_remote(model=options["name"], kept=kept, actor=ACTOR, is_reused=True)
            if not options["no_wait"]:
                wait_for_check(version, ACTOR, options["timeout"], self.stdout.write)
            if options["deploy"]:
                deploy(name=version.model.name, version=version, actor=ACTOR, reason="registered")
        done = ", deployed" if options["deploy"] else ""
        self.stdout.write(self.style.SUCCESS(f"{version} {version.state} on {server}{done}"))
