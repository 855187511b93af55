"""A recipe over a version, in the job's own process: from the parent's parts to a sealed version.

What is finished lies in a folder of the job's own, so that the next attempt goes on behind it and makes the same parts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import polars as pl
from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import FluemanError, Invalid, Unprocessable
from datasets.engines import ray_tasks
from datasets.engines.local import LocalTable
from datasets.engines.parts import PartWriter, Stored
from datasets.engines.workshop import Workshop
from datasets.models import PreprocessingJob
from datasets.planning import Planned, columns_of, parse_steps
from datasets.progress import Progress, State
from datasets.running.context import JobContext, files_of
from datasets.running.ending import ended
from datasets.running.folders import work_folder
from datasets.running.memory import Watch, bounded
from datasets.sealing import PartFile
from datasets.services import seal_version, write_again
from datasets.steps.base import RowStep
from jobs.runner import JobRun

LAYOUT = 1  # of the work folder: another one begins anew


def run_recipe(run: JobRun, preprocessing: PreprocessingJob) -> None:
    """Make the version. Raises a FluemanError that names the step."""
    if not write_again(version=preprocessing.version):
        return  # sealed: the attempt that did it has ended with it
    _keep_calendar(preprocessing)
    attempt = _Attempt(run, preprocessing)
    on_ray = preprocessing.engine == PreprocessingJob.Engine.RAY
    with bounded(settings.PREPROCESSING_MEMORY_BYTES, attempt.where) as watch:
        with ray_tasks.connected(settings.RAY_ADDRESS) if on_ray else nullcontext():
            attempt.work(watch, ray_tasks.RayWorkshop if on_ray else Workshop)


def _keep_calendar(preprocessing: PreprocessingJob) -> None:
    """Note the time zone of this process, which the steps go by, whatever it was when the run was asked for."""
    if preprocessing.options.get("time_zone") != settings.TIME_ZONE:
        preprocessing.options = {**preprocessing.options, "time_zone": settings.TIME_ZONE}
        preprocessing.save(update_fields=["options"])


class _Attempt:
    def __init__(self, run: JobRun, preprocessing: PreprocessingJob) -> None:
        self._run, self._preprocessing = run, preprocessing
        version = preprocessing.version
        assert version.parent is not None
        assert version.recipe is not None
        self._parent = version.parent
        self._planned = parse_steps(version.recipe.steps)
        self._progress = Progress(run, preprocessing)
        self._enabled = [number for number, one in enumerate(self._planned) if one.is_enabled]
        self._now = 0

    def where(self) -> str:
        """Name the step that is at work."""
        return _("It was at step %(number)d, “%(step)s”.") % self._named(self._now)

    def work(self, watch: Watch, workshop: type[Workshop]) -> None:
        """Do all steps, write the parts, seal the version."""
        secret = {n for n, one in enumerate(self._planned) if one.step.is_secret_before}
        folder, plan = work_folder(self._preprocessing), self._plan()
        shop = workshop(folder, plan, tell=self._tell, check=watch.check, secret=secret)
        is_over = False
        try:
            parts, schema = self._write(self._steps(shop))
            rows = sum(part.rows for part in parts)
            if not rows:
                self._run.log(_("The recipe has left no rows."), "warning")
            self._run.result({"version": str(self._preprocessing.version), "rows": rows})
            seal_version(
                version=self._preprocessing.version,
                columns=columns_of(schema),
                parts=parts,
                actor=self._preprocessing.created_by,
                within=ended(self._run, self._preprocessing, watch, rows=rows),
            )
            is_over = True
        finally:
            shop.close(is_over=is_over)

    def _steps(self, shop: Workshop) -> LocalTable:
        """Give the rows after all steps, most of them still to be made."""
        options = self._preprocessing.options
        table = LocalTable.of(shop, files_of(self._parent, options.get("split")))
        context = JobContext(self._preprocessing, self._progress, lambda files: LocalTable.of(shop, files))
        for number, one in enumerate(self._planned):
            if not one.is_enabled:
                self._progress.note(number, state=State.SKIPPED)
                continue
            with self._told():
                if not isinstance(one.step, RowStep):
                    table.count()  # what waits is done once, however often the step goes over the rows
            shop.step = context.number = self._now = number
            with self._told(), self._charged(shop, number):
                table = _checked(one.step.run(table, context)).ended(number)
        return table

    @contextmanager
    def _charged(self, shop: Workshop, number: int) -> Iterator[None]:
        """Charge a step with the time that no function over frames was: gathering, bringing rows together, training."""
        begun, known = time.perf_counter_ns(), shop.ns.total()
        yield
        functions = (shop.ns.total() - known) // shop.workers
        shop.ns[number] += max(0, time.perf_counter_ns() - begun - functions) * shop.workers

    def _write(self, table: LocalTable) -> tuple[list[PartFile], Mapping[str, pl.DataType]]:
        with self._told():
            table = table.map(Stored(table.schema))
            table.count()
            schema = table.schema
        folder = work_folder(self._preprocessing) / "parts"
        with self._writing():
            writer = PartWriter(folder, schema=pl.Schema(schema))
            table.write(writer)
            return writer.finish(), schema

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell of the last row of the steps, should there be one for the writing."""
        number = len(self._planned)
        has_row = self._preprocessing.steps.filter(number=number).exists()
        with self._progress.step(number) if has_row else nullcontext():
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Name the step in what went wrong."""
        try:
            yield
        except (FluemanError, pl.exceptions.PolarsError, ValueError, TypeError) as error:
            number = getattr(error, "step", self._now)
            self._progress.note(number, state=State.FAILED)
            said = error.message if isinstance(error, FluemanError) else f"{type(error).__name__}: {error}"[:1000]
            told = _("Step %(number)d, “%(step)s”: %(why)s") % {**self._named(number), "why": said}
            if isinstance(error, FluemanError):
                error.message = told
                raise
            raise Unprocessable(told, code="step_failed") from error

    def _tell(self, shop: Workshop) -> None:
        """Tell what the steps have done so far."""
        before = None if self._preprocessing.options.get("split") else self._parent.rows
        for number in self._enabled:
            after = shop.rows_after(number)
            if number in shop.percent:
                self._now = number if 0 < shop.percent[number] < 100 else self._now
                is_done = shop.percent[number] >= 100
                self._progress.note(
                    number,
                    state=State.DONE if is_done else State.RUNNING,
                    progress=int(shop.percent[number]),
                    rows_in=before,
                    rows_out=after,
                    worked_ms=shop.ns[number] // 1_000_000 // shop.workers,
                    samples=shop.samples.get(number, []),
                )
            before = after

    def _named(self, number: int) -> dict[str, Any]:
        return {"number": number + 1, "step": self._planned[number].step.label}

    def _plan(self) -> str:
        """Give what decides every piece of the work."""
        made_of = self._parent.digest, self._preprocessing.options
        said = [LAYOUT, pl.__version__, settings.TIME_ZONE, *made_of, _raw(self._planned)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _raw(planned: Sequence[Planned]) -> list[dict[str, Any]]:
    return [{"kind": one.step.kind, "params": one.raw["params"]} for one in planned if one.is_enabled]


def _checked(table: Any) -> LocalTable:
    if not isinstance(table, LocalTable):
        raise Invalid("a step must give the table that it was given, changed")
    return table
