"""`manage.py create_webhook`: let an address be told of events, and print its secret once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.commands import ACTOR, told_as_command_errors
from notify.events import EVENTS
from notify.subscriptions import create_webhook, host


class Command(BaseCommand):
    """The secret stands alone on the last line, so that `SECRET=$(manage.py create_webhook … | tail -1)` works."""

    help = "Make a webhook. Its secret is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take name, address and events."""
        parser.add_argument("name", help="what it is called in lists")
        parser.add_argument("url", help="https://… of a system outside")
        parser.add_argument("--events", required=True, help=f"some of {','.join(EVENTS)}, separated by commas")
        parser.add_argument("--description", default="")

    def handle(self, *, name: str, url: str, events: str, description: str, **_options: Any) -> None:
        """Make the webhook and print its secret."""
        wanted = [part.strip() for part in events.split(",") if part.strip()]
        with told_as_command_errors():
            webhook, secret = create_webhook(name=name, url=url, events=wanted, description=description, actor=ACTOR)
        self.stderr.write(f"{webhook} ({host(webhook)}): {', '.join(webhook.events)}; the secret is shown this once.")
        self.stdout.write(secret)
