"""One attempt at evaluations, in the job's own process: version after version over the same rows, then compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from django.conf import settings
from django.utils.translation import gettext as _

from common.display import thousands
from common.errors import Unprocessable
from datasets.content import local_parts
from files.services import open_blob
from inference.batches import reading
from inference.batches.predicting import Predicted, Predictor
from inference.batches.reading import Piece
from inference.evaluating.answers import Reader
from inference.evaluating.comparing import compare
from inference.evaluating.judging import Judge, LabelJudge, NumberJudge, judged
from inference.evaluating.parts import Parts, stored
from inference.evaluating.plan import Plan
from inference.evaluating.services import outputs_to_judge, own_labels, rows_of
from inference.labels import label_names
from jobs.runner import JobRun
from notify.services import publish
from registry.measures.catalogue import CLASSIFICATION
from registry.models import Evaluation
from registry.services.evaluations import Found, finish_evaluation, keep_comparison

PARQUET = "parquet"


def run_evaluations(run: JobRun, evaluations: Sequence[Evaluation], baseline: Evaluation | None) -> None:
    """Do the evaluations that are not done, in order, and compare each with the baseline. Raises a FluemanError."""
    folder = Path(settings.FLUEMAN_HOME, "work", str(run.job.pk))
    for place, evaluation in enumerate(evaluations):
        if evaluation.finished_at is None:
            _Attempt(run, evaluation, folder / str(evaluation.pk), place, len(evaluations)).do()
        evaluation.refresh_from_db()
        if baseline and baseline.pk != evaluation.pk:
            baseline.refresh_from_db()
            run.report(100 * (place + 1) / len(evaluations) - 1, _("%(version)s is compared with %(other)s") % {
                "version": evaluation.version, "other": baseline.version})  # fmt: skip
            _compare(evaluation, baseline)
    with run.succeed():
        for evaluation in evaluations:
            _tell(evaluation)
    shutil.rmtree(folder, ignore_errors=True)


def _compare(evaluation: Evaluation, baseline: Evaluation) -> None:
    if not evaluation.answers or not baseline.answers or evaluation.task != baseline.task:
        return
    with open_blob(evaluation.answers) as own, open_blob(baseline.answers) as other:
        found = compare(evaluation.task, own, other)
    keep_comparison(evaluation=evaluation, baseline=baseline, comparison=found)


def _tell(evaluation: Evaluation) -> None:
    key = "accuracy" if evaluation.task == CLASSIFICATION else "mae"
    payload = {
        "evaluation": str(evaluation.pk),
        "version": str(evaluation.version),
        "data": str(evaluation.dataset_version),
        "metric": key,
        "figure": evaluation.metrics.get(key),
        "rows": evaluation.rows,
    }
    publish(event="evaluation.finished", payload=payload, target=evaluation)


class _Attempt:
    def __init__(self, run: JobRun, evaluation: Evaluation, folder: Path, place: int, of: int) -> None:
        self._run, self._evaluation, self._parts = run, evaluation, Parts(folder)
        self._place, self._of = place, of
        self._plan = Plan.from_dict(evaluation.options)
        self._data = evaluation.dataset_version
        version = evaluation.version
        self._signature = version.parsed_signature()
        self._outputs = outputs_to_judge(version)
        self._labels = own_labels(version, self._outputs)
        self._reader = Reader(self._signature, self._outputs, self._plan, self._labels, label_names(version))
        self._total = rows_of(self._data, self._plan.split)

    def do(self) -> None:
        """Predict what is not predicted, judge all, keep what is found."""
        if not self._total:
            raise Unprocessable(_("%(data)s has no rows there.") % {"data": self._data}, code="no_rows")
        predictor = Predictor(self._evaluation.version, PARQUET, self._plan.inputs)
        predictor.run(self._pieces(predictor), self._keep)
        self._say(_("What %(version)s answered is judged"), 0.95)
        judge = self._judge()
        blob = stored(judged(judge, self._watched()))
        with open_blob(blob) as answers:
            metrics, report = judge.found(answers)
        report["label_names"] = label_names(self._evaluation.version)
        if judge.rows == report["unlabelled"]:
            raise Unprocessable(_("No row has a right answer in “%(column)s”.") % {"column": self._plan.label})
        found = Found(blob, judge.rows, judge.wrong, metrics, report)
        self._run.raise_if_cancelled()
        finish_evaluation(evaluation=self._evaluation, found=found)

    def _judge(self) -> Judge:
        if self._outputs.task == CLASSIFICATION:
            return LabelJudge(self._labels, self._plan.slices)
        return NumberJudge(self._plan.slices)

    def _pieces(self, predictor: Predictor) -> Iterator[Piece]:
        place = self._parts.rows
        for part in local_parts(self._data, split=self._plan.split or None):
            if place >= part.rows:
                place -= part.rows
                continue
            with part.path.open("rb") as stream:
                start = reading.Start(place)
                rows = lambda: predictor.rows  # noqa: E731 - a name for what is asked anew each time
                for piece in reading.read_pieces(stream, PARQUET, self._plan.columns, start, most_rows=rows):
                    yield replace(piece, first_row=part.first_row + piece.first_row)
            place = 0

    def _keep(self, predicted: Predicted, _worked_ms: int) -> None:
        self._run.raise_if_cancelled()  # so that no attempt that was given up writes beside the next one
        piece = predicted.piece
        got = (predicted.is_good, predicted.answered, predicted.wrong)
        self._parts.keep(self._reader.table(piece.first_row, piece.columns, *got))
        numbers = {"rows": thousands(self._parts.rows), "total": thousands(self._total)}
        self._say(_("%(version)s: %(rows)s of %(total)s rows"), 0.95 * self._parts.rows / self._total, **numbers)

    def _watched(self) -> Iterator[pa.Table]:
        for table in self._parts.chunks():
            self._run.raise_if_cancelled()
            yield table

    def _say(self, template: str, share: float, **numbers: str) -> None:
        said = template % {"version": self._evaluation.version, **numbers}
        self._run.report(99 * (self._place + share) / self._of, said)
