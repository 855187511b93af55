"""Versions of a classifier, labelled rows, and finished evaluations without a model host."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from accounts.models import User
from datasets.models import DatasetVersion
from files.services import add_reference, open_blob, store
from inference.evaluating.comparing import compare
from inference.evaluating.judging import LabelJudge, NumberJudge, judged
from inference.evaluating.parts import CHUNK_ROWS, stored
from inference.evaluating.plan import Plan
from registry.models import Evaluation, ModelFile, ModelVersion, RegisteredModel
from registry.services.evaluations import Found, begin_evaluation, finish_evaluation, keep_comparison
from tests.datasets.making import make_owner
from tests.datasets.making import make_version as make_data

LABELS = ["인사", "주문", "작별"]
SIGNATURE = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
        {"name": "scores", "datatype": "FP32", "shape": [-1, 3]},
    ],
}
NUMBERS = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
}


def make_model_version(name: str = "intent", signature: dict[str, Any] = SIGNATURE) -> ModelVersion:
    """Give the next ready version of a model, with a file of labels."""
    model, _ = RegisteredModel.objects.get_or_create(name=name)
    model.last_version += 1
    model.save()
    manifest = {"labels": "labels.json"} if signature is SIGNATURE else {}
    made = ModelVersion.objects.create(
        model=model,
        number=model.last_version,
        state="ready",
        format="safetensors",
        manifest=manifest,
        signature=signature,
    )
    if manifest:
        blob = store(io.BytesIO(str(LABELS).replace("'", '"').encode()))
        add_reference(blob=blob)
        ModelFile.objects.create(version=made, path="labels.json", blob=blob)
    return made


def make_rows(rows: int = 200, dataset: str = "문장", seed: int = 1) -> tuple[DatasetVersion, list[str]]:
    """Give a sealed version of sentences with their labels and channels, and the labels."""
    dice = np.random.default_rng(seed)
    right = [LABELS[place] for place in dice.integers(0, 3, rows)]
    frame = pl.DataFrame(
        {
            "text": [f"{label} 문장 {number}" for number, label in enumerate(right)],
            "label": right,
            "channel": [["앱", "전화"][number % 4 == 0] for number in range(rows)],
        }
    )
    return make_data(frame, dataset, part_rows=max(1, rows // 3)), right


def scores_for(right: Sequence[str], share: float, seed: int = 1) -> np.ndarray:
    """Give scores of the labels, highest at the right one in about that share of the rows."""
    dice = np.random.default_rng(seed)
    scores = dice.random((len(right), 3)) * 0.3
    places = np.array([LABELS.index(label) for label in right])
    best = np.where(dice.random(len(right)) < share, places, (places + 1) % 3)
    scores[np.arange(len(right)), best] += 1
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def label_table(right: Sequence[str | None], scores: np.ndarray, **columns: Any) -> pa.Table:
    """Give rows as an evaluation of a classifier keeps them before they are judged."""
    answers = [LABELS[place] for place in scores.argmax(1)]
    rows = len(right)
    return pa.table(
        {
            "row": pa.array(range(rows), pa.int64()),
            "right": pa.array(right, pa.string()),
            "answer": pa.array(columns.pop("answer", answers), pa.string()),
            "error": pa.array(columns.pop("error", [None] * rows), pa.string()),
            "ms": pa.array(np.linspace(1, 2, rows), pa.float32()),
            "score": pa.array(scores.max(1)),
            "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
            **{name: pa.array(values, pa.string()) for name, values in columns.items()},
        }
    )


def finish(
    version: ModelVersion,
    data: DatasetVersion,
    table: pa.Table,
    *,
    slices: Sequence[str] = (),
    actor: User | None = None,
    split: str = "",
) -> Evaluation:
    """Keep a finished evaluation of these answers."""
    is_labels = "scores" in table.column_names
    task = "classification" if is_labels else "regression"
    plan = Plan({"text": "text"} if is_labels else {"x": "x"}, "label" if is_labels else "y", tuple(slices), split)
    judge = LabelJudge(LABELS, slices) if is_labels else NumberJudge(slices)
    made = begin_evaluation(version=version, data=data, task=task, options=plan.as_dict(), actor=actor or make_owner())
    chunks = (table.slice(at, CHUNK_ROWS) for at in range(0, table.num_rows, CHUNK_ROWS))
    blob = stored(judged(judge, chunks))
    with open_blob(blob) as stream:
        metrics, report = judge.found(stream)
    finish_evaluation(evaluation=made, found=Found(blob, judge.rows, judge.wrong, metrics, report))
    made.refresh_from_db()
    return made


def evaluate(
    version: ModelVersion, data: DatasetVersion, right: Sequence[str], share: float, *, seed: int = 1, **more: Any
) -> Evaluation:
    """Keep a finished evaluation that is right in about that share of the rows, by channel."""
    channels = [["앱", "전화"][number % 4 == 0] for number in range(len(right))]
    table = label_table(right, scores_for(right, share, seed), **{"slice:channel": channels})
    return finish(version, data, table, slices=["channel"], **more)


def beside(one: Evaluation, other: Evaluation) -> Evaluation:
    """Compare two evaluations and keep that."""
    with open_blob(one.answers) as own, open_blob(other.answers) as theirs:
        found = compare(one.task, own, theirs)
    keep_comparison(evaluation=one, baseline=other, comparison=found)
    one.refresh_from_db()
    return one
