"""Evaluations through a real model host: each row judged once, whatever ends in between; versions beside each other."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from common.errors import Conflict, Invalid
from inference.evaluating import parts, running
from inference.evaluating.rows import Wanted, find_rows
from inference.evaluating.services import (
    cancel_evaluation,
    plan_for,
    retry_evaluation,
    run_missing,
    start_evaluations,
)
from inference.host.states import Identity, read_wanted
from jobs.runner import run_job
from registry.models import Evaluation
from registry.services.evaluations import delete_evaluation
from registry.services.gates import failures, set_policy
from tests.datasets.making import make_owner
from tests.datasets.making import make_version as make_data
from tests.host.hosting import make_route, make_version, running_host, until_state
from tests.runner.making import TEXT_SIGNATURE, make_folder, make_text_folder

pytestmark = pytest.mark.django_db(transaction=True)

WITH_SCORES = {
    **TEXT_SIGNATURE,
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
        {"name": "scores", "datatype": "FP32", "shape": [-1, 2]},
    ],
}


def make_texts(rows: int = 600) -> pl.DataFrame:
    """Give texts of two kinds, one without a right answer and one without a text."""
    words = ["안녕" if number % 2 else "잘가" for number in range(rows)]
    right = ["greeting" if number % 2 else "goodbye" for number in range(rows)]
    frame = pl.DataFrame({"text": words, "label": right, "channel": ["앱", "웹", "앱"] * (rows // 3)})
    return frame.with_columns(
        text=pl.when(pl.int_range(rows) == 5).then(None).otherwise("text"),
        label=pl.when(pl.int_range(rows) == 6).then(None).otherwise("label"),
    )


def worse(folder):
    """Turn the last layer of a classifier round, so that it answers the other label."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    last = [name for name, values in tensors.items() if values.shape[0] == 2]
    save_file({name: (-values if name in last else values) for name, values in tensors.items()}, path)
    return folder


def done(evaluation: Evaluation) -> Evaluation:
    """Do the job of an evaluation in this process."""
    run_job(str(evaluation.job_id))
    return Evaluation.objects.select_related("job", "version__model", "baseline", "dataset_version").get(
        pk=evaluation.pk
    )


def test_evaluation_when_run_beside_the_live_version_then_judged_compared_and_browsable(tmp_path, monkeypatch):
    live = make_version(make_text_folder(tmp_path / "one", WITH_SCORES), name="words")
    new = make_version(worse(make_text_folder(tmp_path / "two", WITH_SCORES)), name="words")
    make_route(live, name="words")
    data = make_data(make_texts(), "문장", part_rows=250)
    with running_host():
        made = start_evaluations(versions=[new], data=data, actor=make_owner(), given={"slices": ["channel"]})
        assert [one.version for one in made] == [live, new]
        found, base = done(made[1]), Evaluation.objects.get(pk=made[0].pk)
        assert found.job.state == "succeeded", found.job.error
        _judged(found, base)
        _browsed(found)
        _guarded(new, data, found)
        _broken_off(new, data, found, monkeypatch)
        _killed(new, data, found)
        _numbers(tmp_path)
    assert new.pk not in read_wanted(Identity("h"))


def _judged(found: Evaluation, base: Evaluation) -> None:
    assert (found.rows, found.report["unlabelled"], found.baseline_id) == (600, 1, base.pk)
    assert found.metrics["unanswered"] == pytest.approx(1 / 599)
    assert found.metrics["accuracy"] + base.metrics["accuracy"] == pytest.approx(598 / 599)
    told = found.report["comparison"]
    assert told["rows"] == 599
    assert told["metrics"]["accuracy"]["value"] == pytest.approx(
        found.metrics["accuracy"] - base.metrics["accuracy"], abs=1e-9
    )
    assert set(found.report["curves"]) == {"greeting", "goodbye"}
    assert {one["value"]: one["rows"] for one in found.report["slices"]["channel"]} == {"앱": 400 - 1, "웹": 200}


def _browsed(found: Evaluation) -> None:
    """All wrong rows come page by page, each with its text; words and slices narrow them."""
    seen, place = [], 0
    while place is not None:
        page = find_rows(evaluation=found, wanted=Wanted(kind="wrong"), place=place, most=100)
        seen += page.rows
        place = page.next_place
    assert len(seen) == found.wrong_rows
    assert len({row["row"] for row in seen}) == len(seen)
    assert all(row["is_wrong"] and row["values"]["text"] in ("안녕", "잘가", None) for row in seen)
    wanted = Wanted(right="greeting", slices={"channel": "웹"}, words="안녕")
    rows = find_rows(evaluation=found, wanted=wanted, most=200).rows
    assert {(row["right"], row["slice:channel"], row["values"]["text"]) for row in rows} == {("greeting", "웹", "안녕")}
    (alone,) = find_rows(evaluation=found, wanted=Wanted(kind="unanswered"), most=200).rows
    assert (alone["row"], alone["answer"], alone["values"]["text"]) == (5, None, None)
    changed = [
        find_rows(evaluation=found, wanted=Wanted(kind=k), most=600).rows for k in ("became_right", "became_wrong")
    ]
    told = found.report["comparison"]
    assert [len(one) for one in changed] == [min(600, told["became_right"]), min(600, told["became_wrong"])]
    with pytest.raises(Invalid):
        find_rows(evaluation=found, wanted=Wanted(slices={"other": "x"}))


def _guarded(version, data, found: Evaluation) -> None:
    """The gate asks the newest evaluation, and what is missing is begun from what it says."""
    rule = {"kind": "metric", "dataset": str(data.dataset_id), "metric": "accuracy", "at_least": 0.99}
    live = {"kind": "live", "dataset": str(data.dataset_id), "metric": "accuracy", "is_significant": True}
    set_policy(model=version.model, requirements=[rule, live], actor=None)
    codes = [one.code for one in failures(version=version)]
    is_better = found.report["comparison"]["metrics"]["accuracy"]["low"] >= 0
    assert codes == (["limit"] if is_better else ["limit", "worse_than_live"])
    newer = make_data(make_texts(300), data.dataset.name)
    stale = failures(version=version)
    assert {one.code for one in stale} == {"stale_data"}
    assert {one.data for one in stale} == {newer}
    begun = run_missing(version=version, actor=make_owner())
    assert {one.version_id for one in begun} >= {version.pk}
    cancel_evaluation(evaluation=begun[0], actor=make_owner())
    with pytest.raises(Conflict):
        cancel_evaluation(evaluation=begun[0], actor=make_owner())


def _broken_off(version, data, before: Evaluation, monkeypatch) -> None:
    """An attempt that ends early leaves its parts; the next one goes on behind them and finds the same."""
    kept = parts.Parts.keep
    seen: list[int] = []

    def fail_later(self, table):
        kept(self, table)
        seen.append(self.rows)
        if len(seen) == 2:
            raise OSError("the disk went away")

    (own,) = start_evaluations(versions=[version], data=data, actor=make_owner(), is_compared=False,
                               given={"slices": ["channel"]})  # fmt: skip
    monkeypatch.setattr(running.Parts, "keep", fail_later)
    monkeypatch.setattr("inference.batches.predicting.FIRST_ROWS", 100)
    assert done(own).job.state == "failed"
    monkeypatch.setattr(running.Parts, "keep", kept)
    retry_evaluation(evaluation=own, actor=make_owner())
    found = done(own)
    assert found.job.state == "succeeded", found.job.error
    assert 0 < seen[1] < 600
    same = {name: value for name, value in found.metrics.items() if not name.endswith("_ms")}
    assert same == {name: value for name, value in before.metrics.items() if not name.endswith("_ms")}
    assert found.report["confusion"] == before.report["confusion"]
    blob = found.answers
    delete_evaluation(evaluation=found, actor=make_owner())
    blob.refresh_from_db()
    assert blob.references == 0
    assert not Evaluation.objects.filter(pk=found.pk).exists()


def _killed(version, data, before: Evaluation) -> None:
    """The process of the version dies under its rows; they are answered by the next one."""
    (own,) = start_evaluations(versions=[version], data=data, actor=make_owner(), is_compared=False)
    killer = threading.Thread(target=lambda: os.kill(until_state(version, "ready").pid, signal.SIGKILL))
    killer.start()
    found = done(own)
    killer.join()
    assert found.job.state == "succeeded", found.job.error
    assert found.metrics["accuracy"] == before.metrics["accuracy"]


def _numbers(tmp_path) -> None:
    """A version whose two outputs are scores without names is judged by the place of the highest."""
    version = make_version(make_folder(tmp_path / "sums"))
    frame = pl.DataFrame(
        {"x": [[float(n), 0.0, 0.0, 0.0] for n in range(-10, 10)], "label": [int(n > 0) for n in range(-10, 10)]}
    )
    (own,) = start_evaluations(versions=[version], data=make_data(frame, "수"), actor=make_owner())
    found = done(own)
    assert found.job.state == "succeeded", found.job.error
    assert found.report["labels"] == ["0", "1"]
    assert np.isfinite(found.metrics["accuracy"])


def test_plan_when_version_or_data_is_not_ready_then_refused(tmp_path):
    version = make_version(make_text_folder(tmp_path / "t"), name="words", state="pending")
    data = make_data(make_texts(9))
    with pytest.raises(Conflict):
        plan_for(version=version, data=data)
    version.state = "ready"
    with pytest.raises(Invalid) as caught:
        plan_for(version=version, data=data, given={"split": "test"})
    assert list(caught.value.fields) == ["split"]
    with pytest.raises(Invalid):
        start_evaluations(versions=[], data=data, actor=make_owner())
