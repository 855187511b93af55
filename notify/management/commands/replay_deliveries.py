"""`manage.py replay_deliveries`: bring notices once more that a receiver has missed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.commands import ACTOR, LONGEST_DAYS, between, told_as_command_errors
from notify.services import MOST_REPLAYED, replay_all


class Command(BaseCommand):
    """Each keeps its id, so that a receiver can tell repeats."""

    help = "Bring notices to webhooks and mailboxes once more, oldest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which."""
        parser.add_argument("--dead", action="store_true", help="only those that were given up")
        parser.add_argument(
            "--since", type=between(0, 24 * LONGEST_DAYS), default=24.0, help="written in the last so many hours (24)"
        )
        parser.add_argument("--event", default="", help="of one kind only")
        parser.add_argument("--webhook", default="", help="to one webhook only, by its name")
        parser.add_argument("--most", type=int, default=MOST_REPLAYED, help=f"at most so many ({MOST_REPLAYED})")
        parser.add_argument("--reason", default="")
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *, dead: bool, since: float, event: str, most: int, reason: str, **options: Any) -> None:
        """Replay, and say how many."""
        with told_as_command_errors():
            done, left = replay_all(
                hours=since,
                is_dead=dead,
                event=event,
                most=most,
                actor=ACTOR,
                reason=reason,
                webhook=options["webhook"],
                is_dry=options["dry_run"],
            )
        said = "would be brought" if options["dry_run"] else "are on their way"
        self.stdout.write(f"{done} notices {said} once more, {left} more fit.")
