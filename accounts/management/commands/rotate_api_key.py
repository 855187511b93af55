"""`manage.py rotate_api_key`: give a key a new secret and print it once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import ApiKey
from accounts.services import MAX_OVERLAP, OVERLAP, rotate_api_key
from common.commands import ACTOR, between, told_as_command_errors
from common.errors import NotFound


class Command(BaseCommand):
    """The new key stands alone on the last line; each run makes another secret."""

    help = "Give an API key a new secret; the old one works on for a while."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the key and how long the old secret works on."""
        parser.add_argument("prefix", help="the key's prefix, as lists show it")
        hours = OVERLAP.total_seconds() / 3600
        parser.add_argument(
            "--hours",
            type=between(0, MAX_OVERLAP.total_seconds() / 3600),
            default=hours,
            help="how long the old secret works on",
        )
        parser.add_argument("--reason", default="")

    def handle(self, *, prefix: str, hours: float, reason: str, **_options: Any) -> None:
        """Rotate the key and print it."""
        with told_as_command_errors():
            key = ApiKey.objects.filter(prefix=prefix).first()
            if key is None:
                raise NotFound(f"There is no key {prefix}.")
            overlap = timedelta(hours=hours)
            key, text = rotate_api_key(key=key, actor=ACTOR, keep_old_for=overlap, reason=reason)
        self.stderr.write(f"{key}: the old secret works until {key.old_until:%Y-%m-%d %H:%M} UTC.")
        self.stdout.write(text)
