"""One attempt at a dataset version of reviewed items, in the job's own process: gather, mask, compare, divide, seal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import Unprocessable
from datasets.engines.local import LocalTable
from datasets.engines.parts import PartWriter
from datasets.engines.workshop import Workshop
from datasets.frames import frames_of
from datasets.models import PreprocessingJob
from datasets.planning import columns_of, parse_steps, schema_of
from datasets.progress import Progress
from datasets.running.context import JobContext
from datasets.running.ending import ended
from datasets.running.memory import Watch, bounded
from datasets.sealing import PartFile
from datasets.services import seal_version, write_again
from datasets.services.versions import sealed_version
from datasets.splitting.plan import Plan, longest_text
from datasets.steps.base import Step
from datasets.workplace import work_folder
from feedback.columns import Columns
from feedback.gathering import CLOSED, FACTS, RIGHT, finished_items, keys_of, reviewed_rows
from feedback.masking import Masker
from feedback.models import ReviewQueue
from feedback.services.exporting import DUPLICATES, NEAR
from jobs.runner import JobRun

FRAME_ROWS = 4096
NEAR_DROPPED, SAME_DROPPED = "near_to_training", "same_input"


def make_data(run: JobRun, preprocessing: PreprocessingJob) -> None:
    """Make the version. Raises a FluemanError that says what is wrong."""
    if not write_again(version=preprocessing.version):
        return  # an attempt before this one got as far as the end
    with bounded(settings.PREPROCESSING_MEMORY_BYTES) as watch, work_folder(run) as folder:
        _Making(run, preprocessing, folder, watch).work()


class _Making:
    def __init__(self, run: JobRun, preprocessing: PreprocessingJob, folder: Path, watch: Watch) -> None:
        self._run, self._preprocessing, self._folder, self._watch = run, preprocessing, folder, watch
        self._options = preprocessing.options
        self._progress = Progress(run, preprocessing)
        self._dropped: Counter[str] = Counter()
        self._inputs: list[str] = []

    def work(self) -> None:
        """Do all steps, then seal."""
        with self._progress.step(0):
            parts, schema = self._gather()
        steps = self._steps(schema, parts)
        shop = Workshop(self._folder / "shop", check=self._watch.check)
        try:
            table = LocalTable.of(shop, [(part.path, part.rows) for part in parts])
            table = self._compared(shop, table, steps)
            with self._progress.step(len(steps) + 1):
                parts = self._written(table, schema)
        finally:
            shop.close(is_over=True)
        self._seal(parts, schema)

    def _gather(self) -> tuple[list[PartFile], pl.Schema]:
        """Write the rows down, masked, then as frames: only all of them tell what the columns are."""
        queues = ReviewQueue.objects.filter(pk__in=self._options["queues"])
        keys = keys_of(finished_items(list(queues)))
        columns, masker, count = Columns(), Masker() if self._options["mask"] else None, 0
        path = self._folder / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in reviewed_rows(keys, least_agreement=self._options["least_agreement"], dropped=self._dropped):
                plain = masker.mask(row, leave=CLOSED) if masker else row
                columns.add(plain)
                file.write(json.dumps(plain, ensure_ascii=False, default=str) + "\n")
                count += 1
                self._progress.percent(90 * (count + self._dropped.total()) / len(keys))
        self._inputs = [name for name in columns.names if name not in FACTS and name not in RIGHT.values()]
        self._progress.rows(len(keys), count)
        self._progress.report({"dropped": dict(self._dropped), **(masker.report() if masker else {})})
        if not count:
            raise self._nothing()
        writer = PartWriter(self._folder / "gathered", schema=columns.schema())
        for frame in columns.frames(path, FRAME_ROWS):
            writer.add(frame)
        path.unlink()
        return writer.finish(), columns.schema()

    def _steps(self, schema: pl.Schema, parts: Sequence[PartFile]) -> list[tuple[str, Step]]:
        """Give the steps between gathering and writing."""
        wanted: list[tuple[str, dict[str, Any]]] = [(DUPLICATES, {"columns": self._inputs, "keep": "last"})]
        if against := self._options["against"]:
            column = self._text_column(schema, parts, against)
            wanted.append((NEAR, {"column": column, "against": against, "threshold": self._options["likeness"]}))
        planned = parse_steps([{"kind": kind, "params": params} for kind, params in wanted])
        return [(kind, one.step) for (kind, _params), one in zip(wanted, planned, strict=True)]

    def _text_column(self, schema: pl.Schema, parts: Sequence[PartFile], against: str) -> str:
        """Give the input with the longest texts that the other version has too. Raises Unprocessable."""
        theirs = schema_of(sealed_version(against).columns)
        shared = [name for name in self._inputs if schema[name] == pl.String and theirs.get(name) == pl.String]
        if not shared:
            said = _("No column of text is in both: the inputs are %(names)s.") % {"names": ", ".join(self._inputs)}
            raise Unprocessable(said, code="no_shared_text")
        return longest_text(pl.read_parquet(parts[0].path, columns=shared, n_rows=FRAME_ROWS))

    def _compared(self, shop: Workshop, table: LocalTable, steps: Sequence[tuple[str, Step]]) -> LocalTable:
        context = JobContext(self._preprocessing, self._progress, lambda files: LocalTable.of(shop, files))
        for number, (kind, step) in enumerate(steps, 1):
            shop.step = context.number = number
            with self._progress.step(number):
                before = table.count()
                table = cast(LocalTable, step.run(table, context))
                after = table.count()
                self._progress.rows(before, after)
                if before > after:
                    self._dropped[NEAR_DROPPED if kind == NEAR else SAME_DROPPED] += before - after
        return table

    def _written(self, table: LocalTable, schema: pl.Schema) -> list[PartFile]:
        """Write the rows in parts, and divide them by the values of their inputs if so wanted."""
        if not table.count():
            raise self._nothing()
        writer = PartWriter(self._folder / "parts", schema=schema)
        table.write(writer)
        parts = writer.finish()
        shares = self._options["shares"]
        if not shares:
            return parts
        plan = Plan(shares=tuple((name, share) for name, share in shares), together=tuple(self._inputs))
        writers = [
            PartWriter(self._folder / str(place), split=name, schema=schema) for place, name in enumerate(plan.names)
        ]
        for frame in frames_of((part.path, 0) for part in parts):
            places = plan.places(frame)
            for place, one in enumerate(writers):
                one.add(frame.filter(places == place))
        divided = [part for one in writers for part in one.finish() if part.rows]
        rows: Counter[str] = Counter()
        for part in divided:
            rows[part.split] += part.rows
        self._progress.report({"splits": dict(rows)})
        return divided

    def _seal(self, parts: Sequence[PartFile], schema: pl.Schema) -> None:
        rows = sum(part.rows for part in parts)
        self._run.result({"version": str(self._preprocessing.version), "rows": rows, "dropped": dict(self._dropped)})
        seal_version(
            version=self._preprocessing.version,
            columns=columns_of(schema),
            parts=parts,
            actor=self._preprocessing.created_by,
            within=ended(self._run, self._preprocessing, self._watch, rows=rows),
        )

    def _nothing(self) -> Unprocessable:
        why = ", ".join(f"{reason}: {count}" for reason, count in self._dropped.items())
        return Unprocessable(_("No row is left (%(why)s).") % {"why": why or "–"}, code="no_rows")
