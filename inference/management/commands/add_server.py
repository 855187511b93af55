"""`manage.py add_server NAME URL`: makes a server elsewhere known, on which models run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import ACTOR, told_as_command_errors
from inference.models import RemoteServer
from inference.services import remote as services


class Command(BaseCommand):
    """Adds a server, or changes the one of that name."""

    help = "Make a server of the Open Inference Protocol known (KServe, Triton, MLServer, another Flueman)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take its name and address; the credential comes from a file, so that no list of processes shows it."""
        parser.add_argument("name")
        parser.add_argument("url", help="what stands before /v2")
        parser.add_argument("--credential-from", default="", help="a file that holds the credential, - for the input")
        parser.add_argument("--header", default="Authorization", help="the header that carries it")
        parser.add_argument("--ca", type=Path, help="certificate of an own authority, PEM")
        parser.add_argument("--timeout", type=float, default=10.0, help="seconds for a call (10)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add or change it; the last line says what there is now."""
        given: dict[str, Any] = {
            "base_url": options["url"],
            "header": options["header"],
            "ca_pem": options["ca"].read_text() if options["ca"] else "",
            "timeout_s": options["timeout"],
        }
        if options["credential_from"]:
            given["credential"] = _credential(options["credential_from"])
        with told_as_command_errors():
            known = RemoteServer.objects.filter(name=options["name"]).first()
            if known is None:
                server = services.add_server(name=options["name"], actor=ACTOR, **given)
            else:
                server = services.change_server(server=known, actor=ACTOR, reason="added again", **given)
        self.stdout.write(self.style.SUCCESS(f"{server}: {server.base_url}"))


def _credential(source: str) -> str:
    return (sys.stdin.read() if source == "-" else Path(source).read_text()).strip()
