"""One attempt at a split, in the job's own process: decide, write the parts, look for leaks, seal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from django.utils.translation import gettext as _

from common.errors import Unprocessable
from datasets.content import local_parts
from datasets.engines.parts import PartWriter
from datasets.engines.table import ROW
from datasets.frames import frames_of
from datasets.hashing import MISSING, as_text
from datasets.models import DatasetVersion, PreprocessingJob
from datasets.progress import Progress
from datasets.sealing import PartFile
from datasets.services import seal_version, write_again
from datasets.splitting.plan import EXAMPLES, MOST_CLASSES, Leaks, Plan, class_counts, exact_places, longest_text
from datasets.workplace import work_folder
from jobs.runner import JobRun

LONGEST_EXAMPLE = 200


def run_split(run: JobRun, preprocessing: PreprocessingJob) -> None:
    """Make the version of a split. Raises a FluemanError."""
    version = preprocessing.version
    if not write_again(version=version):
        return  # an attempt before this one got as far as the end
    parent = version.parent
    assert parent, "a split is of a version"
    attempt = _Attempt(Progress(run, preprocessing), parent, preprocessing.options)
    with work_folder(run) as folder:
        parts = attempt.divide(folder)
        attempt.tell_leaks()
        sealed = {"columns": parent.columns, "parts": parts, "actor": preprocessing.created_by}
        seal_version(version=version, within=run.succeed(), **sealed)


class _Attempt:
    def __init__(self, progress: Progress, parent: DatasetVersion, options: dict[str, Any]) -> None:
        self._progress, self._parent = progress, parent
        self._plan = Plan(
            shares=tuple((name, share) for name, share in options["shares"]),
            seed=options["seed"],
            together=tuple(options["together"]),
            stratify=options["stratify"],
        )
        self._text: str = options["text"]
        self._leaks: Leaks | None = None

    def divide(self, folder: Path) -> list[PartFile]:
        """Write the rows of each split in their order, as parts."""
        with self._progress.step(0):
            exact = self._exact_places() if self._plan.stratify else None
            names = self._plan.names
            writers = {name: PartWriter(folder / str(number), split=name) for number, name in enumerate(names)}
            counts: dict[str, int] = defaultdict(int)
            for frame in self._frames():
                place = self._place(frame, exact)
                self._look(frame, place)
                for number, name in enumerate(names):
                    piece = frame.filter(place == number)
                    writers[name].add(piece)
                    counts[name] += len(piece)
                self._told(int(frame[ROW][-1]) + 1 if len(frame) else 0, 50 if exact is not None else 0)
            parts = [part for writer in writers.values() for part in writer.finish()]
            self._progress.rows(self._parent.rows, sum(counts.values()))
            self._progress.report({"splits": {name: counts[name] for name in names}})
            filled = [part for part in parts if part.rows]
            return filled or parts[:1]

    def tell_leaks(self) -> None:
        """Count the rows whose text stands in another split too, and show some."""
        with self._progress.step(1):
            found = self._leaks.found() if self._leaks else pl.Series([], dtype=pl.UInt64)
            told: dict[str, Any] = {"column": self._text, "texts": len(found), "rows": 0}
            examples: dict[str, None] = {}
            for frame in self._frames([self._text]) if len(found) else ():
                assert self._leaks
                texts = self._leaks.rows_of(frame, found)
                told["rows"] += len(texts)
                examples |= dict.fromkeys(texts.str.slice(0, LONGEST_EXAMPLE).head(EXAMPLES).to_list())
                self._told(int(frame[ROW][-1]) + 1, 0)
            self._progress.rows(self._parent.rows, self._parent.rows)
            self._progress.report({"leaks": told | {"examples": list(examples)[:EXAMPLES]}})

    def _exact_places(self) -> np.ndarray:
        """Give the split of every row, each class divided exactly."""
        codes: dict[str, int] = {}
        at, classes = [], []
        for frame in self._frames():
            at.append(self._plan.positions(frame).to_numpy())
            classes.append(_coded(frame, self._plan.stratify, codes))
            self._told(int(frame[ROW][-1]) + 1 if len(frame) else 0, 0, 2)
        every = np.concatenate([*classes, np.empty(0, np.int32)])
        place = exact_places(np.concatenate([*at, np.empty(0, np.uint64)]), every, self._plan.percents)
        shown = [None if value == MISSING else value for value in codes]
        self._progress.report({"classes": class_counts(every, place, shown, self._plan.names)})
        return place

    def _place(self, frame: pl.DataFrame, exact: np.ndarray | None) -> pl.Series:
        if exact is None:
            return self._plan.places(frame)
        first = int(frame[ROW][0]) if len(frame) else 0
        return pl.Series("place", exact[first : first + len(frame)])

    def _look(self, frame: pl.DataFrame, place: pl.Series) -> None:
        if self._leaks is None:
            self._text = self._text or longest_text(frame)
            self._leaks = Leaks(self._text) if self._text else None
        if self._leaks:
            self._leaks.add(frame, place)

    def _frames(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        return frames_of(((part.path, part.first_row) for part in local_parts(self._parent)), columns)

    def _told(self, rows: int, start: float, passes: int = 1) -> None:
        share = rows / max(1, self._parent.rows)
        self._progress.rows(rows_in=rows)
        self._progress.percent(start + share * (100 - start) / passes)


def _coded(frame: pl.DataFrame, column: str, codes: dict[str, int]) -> np.ndarray:
    """Give the class of each row as a number; new classes get the next ones. Raises Unprocessable for too many."""
    texts = frame.select(as_text(column, frame.schema[column]).fill_null(MISSING))[column]
    for value in texts.unique(maintain_order=True):
        codes.setdefault(value, len(codes))
    if len(codes) > MOST_CLASSES:
        said = _("The column “%(name)s” has more than %(most)d different values: it holds no classes.")
        raise Unprocessable(said % {"name": column, "most": MOST_CLASSES}, code="too_many_classes")
    found: np.ndarray = texts.replace_strict(codes, return_dtype=pl.Int32).to_numpy()
    return found
