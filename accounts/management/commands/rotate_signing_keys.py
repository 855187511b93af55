"""`manage.py rotate_signing_keys`: have the next key sign tokens."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import SigningKey
from accounts.services import rotate_if_due, rotate_signing_keys, withdraw_signing_key
from common.commands import ACTOR, told_as_command_errors


class Command(BaseCommand):
    """With `--if-due` it may be called as often as one likes."""

    help = "Sign tokens with a new key; those signed with the old one stay good until they run out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason and what becomes of the old keys."""
        parser.add_argument("--if-due", action="store_true", help="only if the key has signed for SIGNING_KEY_DAYS")
        parser.add_argument("--withdraw-old", action="store_true", help="refuse all tokens signed before: keys stolen")
        parser.add_argument("--reason", default="")

    def handle(self, *, if_due: bool, withdraw_old: bool, reason: str, **_options: Any) -> None:
        """Rotate, and withdraw if asked to."""
        with told_as_command_errors():
            key = rotate_if_due() if if_due else rotate_signing_keys(actor=ACTOR, reason=reason)
            if withdraw_old:
                for old in SigningKey.objects.verifying().filter(state=SigningKey.State.RETIRED):
                    withdraw_signing_key(key=old, actor=ACTOR, reason=reason)
        self.stdout.write(f"{key} signs now." if key else "The key that signs is not due.")
