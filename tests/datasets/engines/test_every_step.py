"""Every kind of step, and whole recipes, give the rows of the table in memory from the disk too."""

from pathlib import Path

import pytest
from django.utils import translation

from datasets.engines.local import LocalTable
from datasets.engines.memory import MemoryTable
from datasets.engines.workshop import Workshop
from datasets.planning import check, parse_steps
from datasets.steps.base import kinds
from tests.datasets.engines.examples import EXAMPLES, OTHER, RECIPES, TRAINED, WITH_TOKENIZER
from tests.datasets.engines.tables import hostile, in_files, rows_of
from tests.datasets.steps_special.making import Surroundings

ROWS = 90
CASES = [(kind, place) for kind, examples in EXAMPLES.items() for place in range(len(examples))]


def after(steps, table, other):
    """Give the rows after steps, as a job does them."""
    around = Surroundings(others={OTHER: other})
    told = []
    for planned in parse_steps(steps):
        around.told = {}
        table = planned.step.run(table, around)
        told.append(dict(around.told))
    return rows_of(table), told


def on_disk(steps, folder: Path, frame, shop=Workshop):
    """Do steps over files; the other version lies in files too."""
    work = shop(folder / "work")
    table = LocalTable.of(work, in_files(frame, folder / "rows", [0, 13, 14, 50]))
    return after(steps, table, LocalTable.of(work, in_files(hostile(25), folder / "other", [11])))


def in_memory(steps, frame):
    return after(steps, MemoryTable.of(frame), MemoryTable.of(hostile(25)))


def same(steps, folder, frame, shop=Workshop):
    """Compare rows, reports and announced columns."""
    with translation.override("en"):
        wanted, told = in_memory(steps, frame)
        found, told_too = on_disk(steps, folder, frame, shop)
    assert found.equals(wanted, null_equal=True), (found, wanted)
    assert told_too == told
    if OTHER not in str(steps):
        announced = check(parse_steps(steps), frame.schema)[-1]
        assert {name: kind for name, kind in wanted.schema.items() if name != "__row"} == dict(announced)


def test_every_kind_of_step_has_an_example():
    assert set(EXAMPLES) == set(kinds())


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_step_over_hostile_rows_gives_the_same_on_disk_as_in_memory(kind, place, tmp_path):
    before = [TRAINED] if kind in WITH_TOKENIZER else []
    steps = [*before, {"kind": kind, "params": EXAMPLES[kind][place]}]
    same(steps, tmp_path, hostile(ROWS))


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_recipe_over_hostile_rows_gives_the_same_on_disk_as_in_memory(number, tmp_path):
    same(RECIPES[number], tmp_path, hostile(ROWS))


def test_labels_when_sorted_and_balanced_again_and_again_lose_no_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.steps.sorting.BUCKET_ROWS", 10)
    frame = hostile(ROWS)
    over = {"kind": "balance", "params": {"column": "is_good", "method": "over"}}
    seven = {"kind": "balance", "params": {"column": "is_good", "method": "number", "rows": 7}}
    steps = [{"kind": "sort", "params": {"columns": ["number", "text"]}}, over]
    once, _told = in_memory(steps, frame)
    for place, times in enumerate((2, 6)):
        again, _told = on_disk([*steps, *[over] * times], tmp_path / str(place), frame)
        assert again.drop("__row").equals(once.drop("__row"), null_equal=True)
    few, _told = on_disk([*steps, *[over] * 6, seven], tmp_path / "few", frame)
    assert few["is_good"].value_counts(sort=True)["count"].to_list() == [7, 7]
    same([*steps, *[over] * 6, seven], tmp_path / "same", frame)


@pytest.mark.parametrize("kind", sorted(EXAMPLES.keys() - WITH_TOKENIZER - {"append", "train_tokenizer"}))
def test_step_over_no_rows_gives_none(kind, tmp_path):
    found, _told = on_disk([{"kind": kind, "params": EXAMPLES[kind][0]}], tmp_path, hostile(0))
    assert len(found) == 0
