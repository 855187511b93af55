"""`manage.py revoke_api_key`: end a key for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import ApiKey
from accounts.services import revoke_api_key
from common.commands import ACTOR, told_as_command_errors
from common.errors import NotFound


class Command(BaseCommand):
    """Revoking a revoked key changes nothing."""

    help = "Revoke an API key, named by its prefix; every process refuses it within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the key and the reason."""
        parser.add_argument("prefix", help="flm_<environment>_<id>, as lists show it")
        parser.add_argument("--reason", default="")

    def handle(self, *, prefix: str, reason: str, **_options: Any) -> None:
        """Revoke the key."""
        with told_as_command_errors():
            key = ApiKey.objects.filter(prefix=prefix).first()
            if key is None:
                raise NotFound(f"There is no key {prefix}.")
            if key.revoked_at is None:
                revoke_api_key(key=key, actor=ACTOR, reason=reason)
        self.stdout.write(f"{key} is revoked.")
