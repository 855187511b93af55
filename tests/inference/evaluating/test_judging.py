"""What answers are worth, piece by piece, with odd rows told apart; two versions beside each other."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from common.errors import Unprocessable
from inference.evaluating.comparing import compare
from inference.evaluating.judging import LabelJudge, NumberJudge
from inference.evaluating.labels import Labels
from registry.measures.catalogue import COMPARED_METRICS, METRICS
from tests.inference.evaluating.making import LABELS, label_table, scores_for

ROWS = 300


def right_ones(rows=ROWS, seed=1):
    return [LABELS[place] for place in np.random.default_rng(seed).integers(0, 3, rows)]


def judge_all(judge, table, piece=70):
    """Judge rows in pieces, and give the numbers, the report and the rows as Parquet."""
    kept = pa.concat_tables([judge.add(table.slice(at, piece)) for at in range(0, table.num_rows, piece)])
    target = io.BytesIO()
    pq.write_table(kept, target)
    target.seek(0)
    return *judge.found(target), target


def test_labels_when_judged_in_pieces_then_as_scikit_learn_over_all():
    right, scores = right_ones(), scores_for(right_ones(), 0.8)
    channels = ["앱" if number % 3 else "전화" for number in range(ROWS)]
    table = label_table(right, scores, **{"slice:channel": channels})
    found, report, _ = judge_all(LabelJudge(LABELS, ["channel"]), table)
    answers = [LABELS[place] for place in scores.argmax(1)]
    numbers = [LABELS.index(label) for label in right]
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(right, answers))
    assert found["f1_macro"] == pytest.approx(sk.f1_score(right, answers, average="macro"))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(numbers, scores, multi_class="ovr"), abs=1e-6)
    assert found["log_loss"] == pytest.approx(sk.log_loss(numbers, scores), rel=1e-5)
    assert found["ece"] > 0
    assert "top_3_accuracy" not in found  # of three labels each is among the first three
    wanted = sk.confusion_matrix(right, answers, labels=LABELS)
    assert {(one, two): count for one, two, count in report["confusion"]} == {
        (one, two): int(wanted[one, two]) for one in range(3) for two in range(3) if wanted[one, two]
    }
    slices = {one["value"]: one for one in report["slices"]["channel"]}
    hits = [a == b for a, b, channel in zip(right, answers, channels, strict=True) if channel == "전화"]
    assert slices["전화"]["accuracy"] == pytest.approx(np.mean(hits))
    assert slices["전화"]["low"] < slices["전화"]["accuracy"] < slices["전화"]["high"]
    assert sorted(report["curves"]) == sorted(LABELS)
    assert list(report["latency"]) == ["p50_ms", "p90_ms", "p95_ms", "p99_ms"]


def test_labels_when_rows_are_odd_then_counted_apart():
    right = ["인사", None, "인사", "주문", "모르는 말", "작별"]
    answer = ["인사", "주문", None, "없는 것", "인사", "작별"]
    errors = [None, None, "it fell", None, None, None]
    scores = np.full((6, 3), 1 / 3, np.float32)
    table = label_table(right, scores, answer=answer, error=errors)
    missing = [None if error else row for error, row in zip(errors, scores.tolist(), strict=True)]
    table = table.set_column(6, "scores", pa.array(missing, pa.list_(pa.float32())))
    found, report, kept = judge_all(LabelJudge(LABELS, []), table, piece=2)
    assert (report["unlabelled"], report["errors"]) == (1, [{"message": "it fell", "rows": 1}])
    assert found["accuracy"] == pytest.approx(2 / 5)
    assert found["unanswered"] == pytest.approx(1 / 5)
    assert report["labels"][3:] == ["모르는 말", "없는 것"] or set(report["labels"][3:]) == {"모르는 말", "없는 것"}
    wrong = pq.read_table(kept)["is_wrong"].to_pylist()
    assert wrong == [False, None, True, True, True, False]


def test_labels_when_all_rows_are_of_one_then_no_curves_and_no_fault():
    scores = scores_for(["인사"] * 20, 0.9)
    found, report, _ = judge_all(LabelJudge(LABELS, []), label_table(["인사"] * 20, scores))
    assert report["curves"] == {}
    assert "roc_auc" not in found
    assert found["balanced_accuracy"] == found["accuracy"]


def test_labels_when_scores_are_no_probabilities_then_no_losses_of_them():
    right = right_ones(30)
    found, report, _ = judge_all(LabelJudge(LABELS, []), label_table(right, scores_for(right, 0.9) * 40 - 3))
    assert not {"log_loss", "brier", "ece"} & set(found)
    assert found["roc_auc"] > 0.5
    assert "calibration" not in report


def test_labels_when_there_is_no_answer_at_all_then_nought():
    scores = np.full((4, 3), 1 / 3, np.float32)
    table = label_table(["인사"] * 4, scores, answer=[None] * 4)
    table = table.set_column(6, "scores", pa.nulls(4, pa.list_(pa.float32())))
    table = table.set_column(5, "score", pa.nulls(4, pa.float32())).set_column(4, "ms", pa.nulls(4, pa.float32()))
    found, report, _ = judge_all(LabelJudge(LABELS, []), table)
    assert (found["accuracy"], found["unanswered"], report["latency"]) == (0, 1, {})


def test_labels_when_there_are_too_many_then_told_so():
    with pytest.raises(Unprocessable) as caught:
        Labels().encode(pa.array([str(number) for number in range(3000)]))
    assert caught.value.code == "too_many_labels"


def number_table(right, answers, **columns):
    rows = len(right)
    return pa.table(
        {
            "row": pa.array(range(rows), pa.int64()),
            "right": pa.array(right, pa.float64()),
            "answer": pa.array(answers, pa.float64()),
            "error": pa.nulls(rows, pa.string()),
            "ms": pa.array(np.ones(rows), pa.float32()),
            **{name: pa.array(values, pa.string()) for name, values in columns.items()},
        }
    )


def test_numbers_when_judged_in_pieces_then_as_scikit_learn_over_all():
    dice = np.random.default_rng(1)
    right = dice.normal(10, 3, ROWS)
    answers = right + dice.normal(0, 0.5, ROWS)
    channels = ["a" if number % 2 else None for number in range(ROWS)]
    table = number_table([None, *right], [1.0, *answers], **{"slice:channel": ["a", *channels]})
    found, report, _ = judge_all(NumberJudge(["channel"]), table)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(right, answers))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(right, answers))
    assert found["r2"] == pytest.approx(sk.r2_score(right, answers))
    assert found["mape"] == pytest.approx(sk.mean_absolute_percentage_error(right, answers))
    assert report["unlabelled"] == 1
    assert [share for share, _ in report["quantiles"]] == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    assert {one["value"]: one["rows"] for one in report["slices"]["channel"]} == {"a": 150, "": 150}
    assert 100 < len(report["residuals"]) <= 400


def test_comparison_when_one_is_better_then_by_how_much_and_how_surely():
    right = right_ones(2000)
    files = [
        judge_all(LabelJudge(LABELS, []), label_table(right, scores_for(right, share, seed)))[2]
        for share, seed in ((0.95, 1), (0.85, 2))
    ]
    found = compare("classification", *files)
    gap = found["metrics"]["accuracy"]
    assert 0.05 < gap["low"] < gap["value"] < gap["high"] < 0.15
    assert gap["value"] == pytest.approx((found["became_right"] - found["became_wrong"]) / 2000)
    assert found["test"]["p"] < 1e-6
    assert found["metrics"]["log_loss"]["low"] > 0  # less loss is better
    back = compare("classification", *reversed(files))
    assert back["metrics"]["accuracy"]["value"] == pytest.approx(-gap["value"])
    same = compare("classification", files[0], files[0])
    assert same["metrics"]["accuracy"] == {"value": 0, "low": 0, "high": 0}
    assert same["test"] == {"name": "mcnemar_exact", "p": 1.0}
    assert compare("classification", *files) == found
    assert set(found["metrics"]) == _told("classification")


def _told(task):
    """Give the numbers of which a gate may ask that they are surely no worse."""
    return {name for name in COMPARED_METRICS if METRICS[name].task == task}


@pytest.mark.parametrize("renamed", [dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True)), {LABELS[0]: "0"}])
def test_comparison_when_the_versions_call_labels_by_other_ids_then_the_same(renamed):
    right = right_ones(2000)
    tables = [label_table(right, scores_for(right, share, seed)) for share, seed in ((0.95, 1), (0.85, 2))]
    whole = [judge_all(LabelJudge(LABELS, []), table)[2] for table in tables]
    known = compare("classification", *whole)
    theirs = tables[1]
    for name in ("right", "answer"):
        told = [renamed.get(label, label) for label in theirs[name].to_pylist()]
        theirs = theirs.set_column(theirs.schema.get_field_index(name), name, pa.array(told, pa.string()))
    labels = [renamed.get(label, label) for label in LABELS]
    found = compare("classification", whole[0], judge_all(LabelJudge(labels, []), theirs)[2])
    assert found["metrics"]["accuracy"]["value"] == known["metrics"]["accuracy"]["value"]
    assert (found["became_right"], found["became_wrong"]) == (known["became_right"], known["became_wrong"])


def test_comparison_when_numbers_are_nearer_then_better():
    dice = np.random.default_rng(1)
    right = dice.normal(0, 1, 500)
    files = [
        judge_all(NumberJudge([]), number_table(right, right + dice.normal(0, size, 500)))[2] for size in (0.1, 0.4)
    ]
    found = compare("regression", *files)
    assert found["metrics"]["mae"]["low"] > 0
    assert found["metrics"]["rmse"]["low"] > 0
    assert found["nearer"] > found["further"]
    assert set(found["metrics"]) == _told("regression")
    assert found["test"]["p"] < 1e-6


def test_numbers_when_rows_are_sorted_then_the_points_of_the_plot_are_from_everywhere():
    rows = 20_000
    right = pa.array(np.arange(rows, dtype=np.float64))
    table = pa.table(
        {"row": pa.array(range(rows)), "right": right, "answer": right, "error": pa.nulls(rows, pa.string()),
         "ms": pa.array(np.ones(rows, np.float32))}
    )  # fmt: skip
    _, report, _ = judge_all(NumberJudge([]), table, piece=8_000)
    places = np.array(report["residuals"])[:, 0]
    assert 100 <= len(places) <= 400
    assert np.histogram(places, bins=10, range=(0, rows))[0].min() >= 10


def test_labels_when_the_versions_own_are_very_many_then_taken_and_compared():
    own = [f"{number:05d}" for number in range(3000)]
    encode = Labels(own).encode
    assert encode(pa.array(["02999", None, "another"])).tolist() == [2999, -1, 3000]
    with pytest.raises(Unprocessable, match="5000"):
        encode(pa.array([f"new {number}" for number in range(2001)]))
    table = pa.table({"right": own, "answer": own, "is_wrong": pa.array([False] * 3000)})
    sides = []
    for answers in (own, [*own[1:], own[0]]):
        sides.append(io.BytesIO())
        pq.write_table(table.set_column(1, "answer", pa.array(answers)), sides[-1])
    found = compare("classification", *sides)
    assert (found["became_right"], found["became_wrong"]) == (3000, 0)
