"""`manage.py checkpoint_audit`: sign where the audit chain stands and bring that to the anchor."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.anchor import the_anchor
from audit.checkpoints import checkpoint, push_all
from audit.models import AuditCheckpoint
from audit.statements import KEY, id_of
from common.commands import told_as_command_errors


class Command(BaseCommand):
    """Safe to run twice: nothing is signed where nothing was added."""

    help = "Sign where the audit chain stands, bring what waits to the anchor, and name the keys to trust."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether a new anchor is to be filled."""
        parser.add_argument("--all", action="store_true", help="bring every checkpoint to the anchor: it is a new one")

    def handle(self, **options: Any) -> None:
        """Sign, bring, say how far."""
        with told_as_command_errors():
            if options["all"]:
                self.stdout.write(f"{push_all(the_anchor())} checkpoints are in {the_anchor().where}.")
            checkpoint()
        for row in AuditCheckpoint.objects.filter(kind=KEY).order_by("number"):
            self.stdout.write(f"key {id_of(row.details['public_key'])} since checkpoint {row.number}")
        last = AuditCheckpoint.objects.order_by("-number")[0]
        waiting = AuditCheckpoint.objects.filter(anchored_at=None).count()
        self.stdout.write(
            f"Signed until event {last.sequence} (checkpoint {last.number}); {waiting} wait for the anchor."
        )
