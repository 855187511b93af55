"""Near duplicates: against true likeness, against an earlier version, and in the worst of texts."""

from __future__ import annotations

import random
import time

import numpy as np
import polars as pl
import pytest

from common.errors import Invalid
from datasets.engines.memory import MemoryTable
from datasets.engines.table import ROW
from datasets.steps.banding import bands_of
from datasets.steps.grouping import groups
from datasets.steps.near_duplicates import NearDuplicates
from datasets.steps.params import make_step
from datasets.steps.shingles import CHARACTERS, WORDS, shingled
from tests.datasets.steps_special.making import HOSTILE, Surroundings, make_texts, run


def likeness(one: str, two: str, size: int = 5) -> float:
    first, second = ({text[n : n + size] for n in range(max(1, len(text) - size + 1))} for text in (one, two))
    return len(first & second) / len(first | second)


def changed(text: str, wanted: float, chance: random.Random) -> str:
    """Give a text with letters changed until it is no more alike than wanted."""
    letters = list(text)
    while likeness(text, "".join(letters)) > wanted:
        letters[chance.randrange(len(letters))] = chr(chance.randrange(0xAC00, 0xD7A4))
    return "".join(letters)


@pytest.mark.parametrize("wanted", [0.7, 0.8, 0.9])
def test_near_duplicates_of_planted_pairs_are_found_and_nothing_else_is(wanted):
    chance, originals = random.Random(3), make_texts(1200)
    near = [changed(originals[n], wanted + chance.uniform(-0.05, 0.1), chance) for n in range(400)]
    true = {1200 + n for n in range(400) if likeness(originals[n], near[n]) >= wanted}
    frame = pl.DataFrame({"text": originals + near})
    step = NearDuplicates(column="text", threshold=wanted, action="mark")
    rows = step.run(MemoryTable.of(frame, 500), Surroundings())
    found = pl.concat(rows.frames).filter(pl.col("near_of").is_not_null())
    got = set(found[ROW])
    assert len(true) > 50
    assert len(got & true) / len(true) >= 0.97
    assert len(got & true) / len(got) >= 0.99
    for row, of, alike in found.select(ROW, "near_of", "likeness").iter_rows():
        assert alike == pytest.approx(likeness(originals[of], near[row - 1200]))


def test_near_duplicates_however_cut_gives_the_same_rows_and_tells_which():
    texts = make_texts(30)
    frame = pl.DataFrame({"text": [*texts, f"{texts[3]}!", f"{texts[3]}?", f"{texts[9]}!"], "score": [*range(33)]})
    rows, told = run(NearDuplicates(column="text"), frame)
    assert rows[ROW].to_list() == list(range(30))
    assert {name: told[name] for name in ("groups", "near", "near_earlier")} == {
        "groups": 2,
        "near": 3,
        "near_earlier": 0,
    }
    assert [(one["row"], one["near_of"]) for one in told["examples"]] == [(30, 3), (31, 3), (32, 9)]
    best, _told = run(NearDuplicates(column="text", keep="best", best="score"), frame)
    assert set(range(33)) - set(best[ROW]) == {3, 30, 9}
    marked, _told = run(NearDuplicates(column="text", action="mark"), frame)
    assert marked.filter(pl.col("near_group") == 3)[ROW].to_list() == [3, 30, 31]
    assert marked.filter(pl.col(ROW) == 3)["near_of"].to_list() == [None]


def test_near_duplicates_against_an_earlier_version_names_its_row():
    texts = make_texts(40)
    earlier = MemoryTable.of(pl.DataFrame({"id": range(20), "text": texts[:20]}), 7)
    new = [f"{texts[4]} 더", texts[30], f"{texts[30]}.", texts[31], texts[19], None, ""]
    around = Surroundings(others={"v1": earlier})
    step = NearDuplicates(column="text", against="v1", action="mark")
    rows, told = run(step, pl.DataFrame({"text": new}), around)
    assert rows["near_of"].to_list() == [4, None, 1, None, 19, None, None]
    assert rows["near_earlier"].to_list() == [True, None, False, None, True, None, None]
    assert (told["near"], told["near_earlier"]) == (1, 2)
    assert rows["likeness"][4] == 1.0
    kept, _told = run(NearDuplicates(column="text", against="v1"), pl.DataFrame({"text": new}), around)
    assert kept[ROW].to_list() == [1, 3, 5, 6]


def test_near_duplicates_when_very_many_are_one_text_stays_quick_and_right():
    same, other = make_texts(2)
    frame = pl.DataFrame({"text": [f"{same} {n % 97}" for n in range(16_000)] + [other]})
    begun = time.process_time()
    rows = NearDuplicates(column="text").run(MemoryTable.of(frame, 1000), Surroundings())
    assert pl.concat(rows.frames)[ROW].to_list() == [0, 16_000]
    assert time.process_time() - begun < 10


def test_near_duplicates_when_texts_are_hostile_leaves_them():
    rows, told = run(NearDuplicates(column="text"), pl.DataFrame({"text": HOSTILE}))
    assert rows[ROW].to_list() == list(range(len(HOSTILE)))
    assert told["near"] == 0
    short = ["a", "A", "ab", "abcd", "ABCD ", "", "", None, None]
    rows, _told = run(NearDuplicates(column="text"), pl.DataFrame({"text": short}))
    assert rows[ROW].to_list() == [0, 2, 3, 5, 6, 7, 8]
    nothing = pl.DataFrame({"text": []}, schema={"text": pl.String})
    assert len(run(NearDuplicates(column="text", by="words", action="mark"), nothing)[0]) == 0


def test_near_duplicates_when_a_parameter_is_wrong_names_it():
    schema = {"text": pl.String(), "n": pl.Int64(), "near_of": pl.Int64()}
    for params, field in (({"column": "n"}, "column"), ({"column": "text", "action": "mark"}, "action")):
        with pytest.raises(Invalid) as refused:
            make_step("near_duplicates", params).out_schema(schema)
        assert set(refused.value.fields) == {field}
    step = NearDuplicates(column="text", against="v1")
    with pytest.raises(Invalid) as refused:
        step.run(
            MemoryTable.of(pl.DataFrame({"text": ["a"]})),
            Surroundings(others={"v1": MemoryTable.of(pl.DataFrame({"other": ["a"]}))}),
        )
    assert set(refused.value.fields) == {"against"}


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_bands_at_any_threshold_miss_one_pair_in_a_hundred_at_most(threshold):
    bands, length = bands_of(threshold)
    assert bands * length <= 128
    assert (1 - threshold**length) ** bands <= 0.01 or length == 1


@pytest.mark.parametrize(("by", "size"), [(CHARACTERS, 1), (CHARACTERS, 3), (WORDS, 1), (WORDS, 2)])
def test_shingles_are_as_many_as_the_pieces_of_a_text(by, size):
    texts = ["", None, "가", "가나", "가나다라", "나 다", "가나 다라 가나", "😀😀😀"]
    found = {}
    for first, some in shingled(pl.Series(texts), size=size, by=by):
        found |= {first + n: some.of(n).tolist() for n in range(len(some.ends))}
    for place, text in enumerate(texts):
        units = list(text or "") if by == CHARACTERS else (text or "").split()
        pieces = [tuple(units[n : n + size]) for n in range(max(1, len(units) - size + 1))] if units else []
        assert len(found[place]) == len(pieces)
        assert len(set(found[place])) == len(set(pieces))


def test_groups_of_any_pairs_are_those_that_hang_together():
    chance = np.random.default_rng(5)
    left, right = chance.integers(0, 200, 150), chance.integers(0, 200, 150)
    rows, roots = groups(left, right)
    known = {int(row): {int(row)} for row in rows}
    for one, two in zip(left, right, strict=True):
        together = known[one] | known[two]
        known.update(dict.fromkeys(together, together))
    assert {int(row): int(root) for row, root in zip(rows, roots, strict=True)} == {
        row: min(all_) for row, all_ in known.items()
    }
