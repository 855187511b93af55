"""`manage.py verify_blobs`: proves that every blob is there, is what its name says, and is counted right."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from files.verification import verify_blobs

_WORDS = {"orphans": "orphan", "leftovers": "leftover"}


class Command(BaseCommand):
    """Hashes all blobs; the exit code is 1 if one is missing or damaged."""

    help = "Read and hash every blob; name the missing, the damaged, wrong counts, and what nobody needs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to cure, and whether only to look."""
        parser.add_argument("--repair", action="store_true", help="correct counts, delete what nobody needs")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would be repaired")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, tell, and end with a summary."""
        is_repairing = options["repair"] and not options["dry_run"]
        found = verify_blobs(
            told=lambda kind, name: self.stdout.write(f"{_WORDS.get(kind, kind)}: {name}"), is_repairing=is_repairing
        )
        summary = (
            f"{found.blobs} blobs, {filesizeformat(found.size_bytes)}: {len(found.missing)} missing, "
            f"{len(found.damaged)} damaged, {len(found.miscounted)} miscounted, {len(found.unused)} unused, "
            f"{len(found.orphans)} orphans, {len(found.leftovers)} leftovers, {found.cured} repaired"
        )
        if not found.is_whole:
            raise CommandError(summary)
        self.stdout.write(self.style.SUCCESS(summary))
