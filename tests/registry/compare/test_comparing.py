import pytest

from registry.comparing import (
    Figure,
    confusion,
    figure,
    figures,
    is_higher_better,
    sets,
    signature_changes,
    slices,
    things,
    verdict,
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("accuracy", True),
        ("rmse", False),
        ("val_loss", False),
        ("macro-F1", True),
        ("test.error", False),
        ("Balanced Accuracy", True),
        ("widgets", None),
        ("log_loss", False),
        ("score", True),
        ("", None),
    ],
)
def test_direction_when_known_by_name_then_so_else_nobody_says(name, wanted):
    assert is_higher_better(name) is wanted


@pytest.mark.parametrize(
    ("a", "b", "better"),
    [(0.9, 0.92, True), (0.92, 0.9, False), (0.9, 0.9, None), (None, 0.9, None), (0.9, None, None)],
)
def test_figure_when_higher_is_better_then_judged_by_the_difference(a, b, better):
    found = figure("accuracy", a, b)
    assert found.is_better is better
    assert (found.change is None) == (a is None or b is None)


def test_figures_when_not_numbers_then_left_out_and_those_of_both_come_first():
    a = {"loss": 0.5, "note": "x", "is_good": True, "only_a": 1, "nan": float("nan")}
    b = {"loss": 0.4, "only_b": 2, "accuracy": None}
    assert [one.name for one in figures(a, b)] == ["loss", "only_a", "only_b"]
    assert figures(a, b)[0].is_better is True


def test_signature_changes_when_added_removed_and_changed_then_each_is_told():
    old = {"inputs": [spec("x", [-1, 4]), spec("y", [-1])], "outputs": [spec("z", [-1])]}
    new = {"inputs": [spec("x", [-1, 8]), spec("w", [-1])], "outputs": [spec("z", [-1])]}
    told = [(one.side, one.name, one.state, one.a, one.b) for one in signature_changes(old, new)]
    assert told == [
        ("inputs", "x", "changed", "FP32 [n × 4]", "FP32 [n × 8]"),
        ("inputs", "y", "only_a", "FP32 [n]", None),
        ("inputs", "w", "only_b", None, "FP32 [n]"),
    ]
    assert signature_changes(old, old) == []
    assert signature_changes({}, {}) == []


def spec(name, shape):
    return {"name": name, "datatype": "FP32", "shape": shape}


def test_things_and_sets_when_of_both_then_in_the_order_of_the_first():
    assert [(one.name, one.state) for one in things({"b": 1, "a": 2}, {"a": 3, "b": 1, "c": 0})] == [
        ("b", "same"),
        ("a", "changed"),
        ("c", "only_b"),
    ]
    assert [(one.name, one.state) for one in sets(["x"], ["y", "x"])] == [("x", "same"), ("y", "only_b")]


def test_confusion_when_labels_stand_at_other_places_then_joined_by_name():
    a = {"labels": ["cat", "dog"], "confusion": [[0, 0, 5], [0, 1, 2], [1, -1, 1]]}
    b = {"labels": ["dog", "cat"], "confusion": [[1, 1, 6], [1, 0, 1]]}
    found = confusion(a, b)
    cells = {(one["right"], one["answer"]): (one["a"], one["b"]) for one in found["cells"]}
    assert found["labels"] == ["cat", "dog", ""]
    assert cells["cat", "cat"] == (5, 6)
    assert cells["cat", "dog"] == (2, 1)
    assert cells["dog", ""] == (1, 0)
    assert len(found["cells"]) == 9


def test_confusion_when_there_are_many_labels_then_the_rare_ones_are_left_out_and_told():
    names = [f"l{n}" for n in range(50)]
    report = {"labels": names, "confusion": [[n, n, 100 - n] for n in range(50)]}
    found = confusion(report, report)
    assert (len(found["labels"]), found["left_out"]) == (30, 20)
    assert found["labels"][0] == "l0"


def test_slices_when_known_to_both_then_the_worst_change_first():
    a = {"city": [{"value": "서울", "rows": 9, "accuracy": 0.9}, {"value": "부산", "rows": 3, "accuracy": 0.5}]}
    b = {"city": [{"value": "부산", "rows": 3, "accuracy": 0.7}, {"value": "서울", "rows": 9, "accuracy": 0.8}]}
    assert [(one["value"], one["is_better"]) for one in slices(a, b)] == [("서울", False), ("부산", True)]
    assert slices(a, {}) == []


@pytest.mark.parametrize(
    ("interval", "judged", "wanted"),
    [
        ({"low": 0.01, "high": 0.2}, None, "better"),
        ({"low": -0.2, "high": -0.1}, None, "worse"),
        ({"low": -0.1, "high": 0.1}, Figure("accuracy", 0.8, 0.9, True), "unclear"),
        (None, Figure("accuracy", 0.8, 0.9, True), "better"),
        (None, Figure("accuracy", 0.8, 0.8), "unclear"),
        (None, Figure("accuracy", None, 0.8), "unknown"),
        (None, None, "unknown"),
    ],
)
def test_verdict_when_there_is_an_interval_then_that_decides(interval, judged, wanted):
    assert verdict(interval, judged) == wanted
