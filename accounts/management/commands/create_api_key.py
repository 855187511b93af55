"""`manage.py create_api_key`: make a key and print it once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.scopes import SCOPES
from accounts.services import create_api_key
from common.commands import ACTOR, LONGEST_DAYS, told_as_command_errors, whole
from common.errors import NotFound


class Command(BaseCommand):
    """The key stands alone on the last line, so that `KEY=$(manage.py create_api_key … | tail -1)` works."""

    help = "Make an API key. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take name, owner and limits."""
        parser.add_argument("name", help="what the key is for, shown in lists")
        parser.add_argument("--user", required=True, help="the owner's user name")
        parser.add_argument("--scopes", required=True, help=f"some of {','.join(SCOPES)}, separated by commas")
        parser.add_argument(
            "--models", default="", help="deployments it may call, separated by commas; all if left out"
        )
        parser.add_argument("--days", type=whole(1, LONGEST_DAYS), help="days until it expires; never if left out")
        parser.add_argument("--per-minute", type=int, help="calls it may make a minute; no limit if left out")
        parser.add_argument("--burst", type=int, help="calls it may make at once")
        parser.add_argument("--rows-per-minute", type=int, help="rows of predictions a minute; no limit if left out")

    def handle(self, *, name: str, user: str, scopes: str, models: str, days: int | None, **options: Any) -> None:
        """Make the key and print it."""
        with told_as_command_errors():
            owner = User.objects.filter(username=user).first()
            if owner is None:
                raise NotFound(f"There is no user {user}.")
            key, text = create_api_key(
                name=name,
                user=owner,
                scopes=_items(scopes),
                allowed_models=_items(models),
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                **{name: options[name] for name in ApiKey.LIMITS},
                actor=ACTOR,
            )
        self.stderr.write(f"{key}: {', '.join(key.scopes)}; it is shown this once.")
        self.stdout.write(text)


def _items(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
