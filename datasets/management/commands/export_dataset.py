"""`manage.py export_dataset NAME PATH`: a version's rows as a file, a folder, or below an S3 prefix."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandParser

from audit.services import record
from common.commands import ACTOR, told_as_command_errors
from datasets.services import find_version
from datasets.services.exports import FORMATS, checked_options

TELL_EVERY_S = 0.5


class Command(BaseCommand):
    """Writes the same files however often it is called."""

    help = "Export a dataset version as CSV, JSON Lines, Parquet, or a folder for Hugging Face datasets.load_dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to export, where to, and how."""
        parser.add_argument("name", help="NAME, or NAME:3 for a version that is not the newest")
        parser.add_argument("path", help="a file (CSV, JSON Lines, Parquet), a folder, or s3://bucket/prefix")
        parser.add_argument("--version-number", "-n", type=int, help="the same as NAME:3")
        parser.add_argument("--format", choices=list(FORMATS), default="parquet")
        parser.add_argument("--split", default="", help="one split; all if left out")
        parser.add_argument(
            "--raw-cells", action="store_true", help="CSV: leave cells that look like formulas as they are"
        )
        parser.add_argument("--bom", action="store_true", help="CSV: mark the file as UTF-8, for Excel")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export; the last line says what was written."""
        number = options["version_number"]
        begun = monotonic()
        with told_as_command_errors():
            version = find_version(f"{options['name']}:{number}" if number is not None else options["name"])
            wanted = checked_options(
                version=version,
                format=options["format"],
                split=options["split"],
                is_guarded=not options["raw_cells"],
                has_bom=options["bom"],
            )
            rows = self._write(version, wanted, options["path"])
            after = {**wanted, "path": options["path"]}
            record(action="datasets.version_exported", actor=ACTOR, target=version, after=after)
        said = f"{version}: {rows:,} rows to {options['path']} in {monotonic() - begun:.1f} s"
        self.stdout.write(self.style.SUCCESS(said))

    def _write(self, version: Any, wanted: dict[str, Any], path: str) -> int:
        from datasets.export.running import content_of, export_to  # noqa: PLC0415 - Polars only where it is needed
        from datasets.export.s3 import upload_folder  # noqa: PLC0415 - the same
        from datasets.export.writing import Options, rows_of  # noqa: PLC0415 - the same

        options = Options(**wanted)
        total = rows_of(content_of(version), options)
        tell = self._teller(total)
        address = urlsplit(path)
        if address.scheme == "s3":
            with tempfile.TemporaryDirectory() as folder:
                export_to(version, options, Path(folder, "export"), tell)
                upload_folder(Path(folder, "export"), address.netloc, address.path.strip("/"))
        else:
            export_to(version, options, Path(path), tell)
        return total

    def _teller(self, total: int) -> Any:
        """Give what tells how many rows are done: a bar for a person, nothing in a pipe."""
        done, told_at = 0, 0.0

        def tell(rows: int) -> None:
            nonlocal done, told_at
            done += rows
            if sys.stderr.isatty() and (monotonic() - told_at > TELL_EVERY_S or done == total):
                told_at = monotonic()
                full = 30 * done // max(1, total)
                end = "\n" if done == total else ""
                self.stderr.write(f"\r[{'#' * full}{'.' * (30 - full)}] {done:,} of {total:,} rows", ending=end)

        return tell
