"""`manage.py add_server NAME URL`: makes a server elsewhere known, on which models run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import ACTOR, read_text, told_as_command_errors
from inference.models import RemoteServer
from inference.services import remote as services


class Command(BaseCommand):
    """Adds a server, or changes what is said of the one of that name."""

    help = "Make a server of the Open Inference Protocol known (KServe, Triton, MLServer, another Flueman)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take its name and address; the credential comes from a file, so that no list of processes shows it."""
        parser.add_argument("name")
        parser.add_argument("url", help="what stands before /v2")
        parser.add_argument("--credential-from", default="", help="a file that holds the credential, - for the input")
        parser.add_argument("--header", help="the header that carries it (Authorization)")
        parser.add_argument("--ca", type=Path, help="certificate of an own authority, PEM")
        parser.add_argument("--timeout", type=float, help="seconds for a call (10)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add or change it; the last line says what there is now."""
        with told_as_command_errors():
            given = _given(options)
            known = RemoteServer.objects.filter(name=options["name"]).first()
            if known is None:
                server = services.add_server(name=options["name"], actor=ACTOR, **given)
            else:
                server = services.change_server(server=known, actor=ACTOR, reason="added again", **given)
        self.stdout.write(self.style.SUCCESS(f"{server}: {server.base_url}"))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Give what was said of the server; of a known one the rest stays as it is."""
    said = {
        "base_url": options["url"],
        "header": options["header"],
        "ca_pem": read_text(options["ca"]) if options["ca"] else None,
        "timeout_s": options["timeout"],
        "credential": _credential(options["credential_from"]) if options["credential_from"] else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _credential(source: str) -> str:
    held = (sys.stdin.read() if source == "-" else read_text(Path(source))).strip()
    if not held:
        raise CommandError(f"{source}: there is no credential in it")
    return held
