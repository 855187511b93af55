"""`manage.py rotate_audit_key`: let a new key sign the audit chain, named by the old one."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from audit.keys import read_key
from audit.rotation import rotate_key
from audit.statements import id_of
from common.commands import ACTOR, told_as_command_errors


class Command(BaseCommand):
    """Run it where the signing key is: on the worker."""

    help = "Replace the key that signs the audit chain; checkpoints of the old one stay good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason, and the new key where the environment holds it."""
        parser.add_argument("--reason", required=True)
        parser.add_argument("--new-key-file", type=Path, help="PEM file of the new key; without it one is made")
        parser.add_argument("--old-key-is-lost", action="store_true", help="AUDIT_TRUSTED_KEYS vouches for the new key")

    def handle(self, **options: Any) -> None:
        """Rotate and name the new key."""
        path = options["new_key_file"]
        with told_as_command_errors():
            new_key = read_key(path.read_bytes()) if path else None
            named = rotate_key(
                actor=ACTOR, reason=options["reason"], new_key=new_key, is_old_lost=options["old_key_is_lost"]
            )
        self.stdout.write(f"Checkpoint {named.number} names the new key {id_of(named.details['public_key'])}.")
