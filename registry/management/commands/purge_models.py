"""`manage.py purge_models`: removes deleted models and versions for good, once their days are over."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import filesizeformat

from common.commands import LONGEST_DAYS, told_as_command_errors, whole
from registry.models import ModelVersion
from registry.services.purging import expired, purge_expired, weigh


class Command(BaseCommand):
    """What the hourly job does, by hand, or only told."""

    help = "Remove models and versions for good that were deleted more than DELETED_KEEP_DAYS days ago."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether only to look, and other days than those of the settings."""
        parser.add_argument("--dry-run", action="store_true", help="remove nothing, only say what would go")
        parser.add_argument(
            "--days", type=whole(0, LONGEST_DAYS), help="instead of DELETED_KEEP_DAYS; 0 for all that is deleted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Name what goes, remove it unless asked not to, and end with a summary."""
        models, versions = expired(days=options["days"])
        for model in models:
            self.stdout.write(f"{model}: with all versions, deleted {model.deleted_at:%Y-%m-%d %H:%M}")
        for version in versions:
            self.stdout.write(f"{version}: deleted {version.deleted_at:%Y-%m-%d %H:%M}")
        if options["dry_run"]:
            gone = weigh(ModelVersion.objects.filter(model__in=models)) + weigh(versions)
        else:
            with told_as_command_errors():
                gone = purge_expired(told=self.stderr.write, actor="purge_models", days=options["days"])
        self.stdout.write(
            self.style.SUCCESS(
                f"{'would go' if options['dry_run'] else 'gone'}: {gone.versions} versions, {gone.files} files, "
                f"{filesizeformat(gone.size_bytes)}; {filesizeformat(gone.freed_bytes)} that nobody else needs "
                "leave the store within the hour"
            )
        )
