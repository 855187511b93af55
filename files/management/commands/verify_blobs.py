"""`manage.py verify_blobs`: proves that every blob is there and is what its name says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from files.verification import remove_orphans, verify_blobs


class Command(BaseCommand):
    """Hashes all blobs; the exit code is 1 if one is missing or damaged."""

    help = "Read and hash every blob; name the missing, the damaged, and what no row names (orphans)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what may be removed, and whether only to look."""
        parser.add_argument("--remove-orphans", action="store_true", help="delete what no row names")
        parser.add_argument("--dry-run", action="store_true", help="delete nothing, only say what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, tell, and end with a summary."""
        found = verify_blobs(told=lambda kind, name: self.stdout.write(f"{kind.removesuffix('s')}: {name}"))
        is_removing = options["remove_orphans"] and not options["dry_run"]
        removed = remove_orphans(keys=found.orphans) if is_removing else 0
        summary = (
            f"{found.blobs} blobs, {filesizeformat(found.size_bytes)}: {len(found.missing)} missing, "
            f"{len(found.damaged)} damaged, {len(found.orphans)} orphans, {removed} removed"
        )
        if not found.is_whole:
            raise CommandError(summary)
        self.stdout.write(self.style.SUCCESS(summary))
