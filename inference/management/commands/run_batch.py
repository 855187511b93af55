"""`manage.py run_batch FILE --model N --version 7 --user U`: a version over the rows of a file."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from common.commands import acting, demand_writable, told_as_command_errors
from common.names import composed
from files.models import StoredFile
from files.services import name_blob, open_blob, store
from inference.batches import services
from inference.models import BatchRun
from jobs.models import Job
from registry.models import ModelVersion

LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    """Begins a run once however often it is called, follows it, and may fetch the result."""

    help = "Run a model version over a Parquet, JSON Lines or CSV file; the result is a Parquet file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take file, version, owner and columns."""
        parser.add_argument("path", type=Path, help="Parquet, JSON Lines or CSV")
        parser.add_argument("--model", required=True)
        parser.add_argument("--version-number", "-n", type=int, required=True, help="number of the version")
        parser.add_argument("--user", required=True, help="whose files input and result are")
        parser.add_argument(
            "--column", action="append", default=[], metavar="INPUT=COLUMN", help="if not found by name"
        )
        parser.add_argument("--id-column", default="", help="column that tells rows apart; default: the row's number")
        parser.add_argument(
            "--wrong-limit", type=int, default=services.DEFAULT_LIMIT, help="percent of wrong rows (10)"
        )
        parser.add_argument("--output", type=Path, help="where to write the result as well")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin, follow, fetch; the last line says what came of it."""
        user = acting(options["user"], "inference.add_batchrun", "files.add_storedfile")
        if options["output"]:
            demand_writable(options["output"])
        with told_as_command_errors():
            batch = _begin(options, user)
            self.stdout.write(f"batch run {batch.pk}: {batch.version} over {batch.file_name}")
            if not options["no_wait"]:
                batch = self._follow(batch)
                if options["output"] and batch.result:
                    with open_blob(batch.result.blob) as source, options["output"].open("wb") as target:
                        shutil.copyfileobj(source, target)
        told = f"{batch.job.state}: {batch.rows_done:,} rows, {batch.rows_wrong:,} wrong"
        self.stdout.write(self.style.SUCCESS(told))

    def _follow(self, batch: BatchRun) -> BatchRun:
        """Tell how far it is until the end. Raises CommandError if that is no good one."""
        runs, told = BatchRun.objects.select_related("version__model", "job", "result__blob"), ""
        while True:
            batch = runs.get(pk=batch.pk)
            if batch.job.step and batch.job.step != told:
                told = batch.job.step
                self.stdout.write(f"  {told}")
            if batch.job.state == Job.State.SUCCEEDED:
                return batch
            if batch.job.is_finished:
                raise CommandError(f"the run {batch.job.get_state_display()}: {batch.job.error}")
            time.sleep(LOOK_EVERY_S)


def _begin(options: dict[str, Any], user: User) -> BatchRun:
    found = ModelVersion.objects.select_related("model")
    version = found.filter(model__name=composed(options["model"]), number=options["version_number"]).first()
    if version is None:
        raise CommandError(f"there is no version {options['version_number']} of a model '{options['model']}'")
    file = _file(options["path"], user)
    columns = dict(pair.partition("=")[::2] for pair in options["column"])
    what: dict[str, Any] = {"version": version, "file": file, "id_column": options["id_column"]}
    look = services.look_at(columns=columns, wrong_limit=options["wrong_limit"], **what)
    known = services.find_run(look=look, actor=user, **what)
    return known or services.start_run(look=look, actor=user, wrong_limit=options["wrong_limit"], **what)


def _file(path: Path, user: User) -> StoredFile:
    """Give the person's file of these bytes and this name, kept now if it is not there yet."""
    if not path.is_file():
        raise CommandError(f"there is no file {path}")
    blob = store(path)
    own = StoredFile.objects.present().select_related("blob")
    same = own.filter(owner=user, name=path.name, blob=blob).order_by("pk").first()
    return same or name_blob(blob=blob, name=path.name, owner=user)
