"""Slots: shares are met exactly, keys stay where they were, and as few as possible move."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.traffic.choosing import SLOTS, allot, is_copied, scaled, slot_of, table


def weights_of(names: str) -> st.SearchStrategy[dict[str, int]]:
    """Give weights of some of the names that add up to 100."""
    parts = st.lists(st.integers(1, 1000), min_size=1, max_size=len(names))
    return parts.map(lambda ns: {k: v for k, v in scaled(dict(zip(names, ns, strict=False)), SLOTS).items() if v})


@given(weights_of("abcdef"), weights_of("abcdef"), st.text())
def test_allot_when_weights_change_then_shares_are_met_and_only_what_must_moves(
    before: dict[str, int], after: dict[str, int], seed: str
) -> None:
    held = allot({}, before)
    given_ = allot(held, after, seed=seed)
    assert {version: len(slots) for version, slots in given_.items()} == after
    assert sorted(slot for slots in given_.values() for slot in slots) == list(range(SLOTS))
    stayed = sum(len(set(slots) & set(given_.get(version, ()))) for version, slots in held.items())
    assert stayed == sum(min(weight, after.get(version, 0)) for version, weight in before.items())


def test_allot_when_a_canary_grows_then_it_keeps_the_callers_it_had() -> None:
    small = allot({"live": range(SLOTS)}, {"live": 95, "canary": 5}, seed="canary")
    large = allot(small, {"live": 90, "canary": 10}, seed="canary")
    assert set(small["canary"]) < set(large["canary"])
    assert set(large["live"]) < set(small["live"])


def test_allot_when_canaries_differ_then_other_callers_meet_them() -> None:
    met = [set(allot({"live": range(SLOTS)}, {"live": 95, name: 5}, seed=name)[name]) for name in "abcd"]
    assert len(set().union(*met)) > 10


def test_slot_when_keys_are_many_then_all_slots_are_met_alike() -> None:
    counts = Counter(slot_of("intent", f"user-{n}") for n in range(100_000))
    assert len(counts) == SLOTS
    assert all(850 < count < 1150 for count in counts.values())
    assert slot_of("intent", "사용자") == slot_of("intent", "사용자")
    assert slot_of("intent", "\udc80\xff") in range(SLOTS)


def test_copy_when_a_share_is_asked_then_so_many_calls_and_not_those_of_one_slot() -> None:
    ids = [f"{n:032x}" for n in range(20_000)]
    copied = [one for one in ids if is_copied(one, 10)]
    assert 1800 < len(copied) < 2200
    assert len({slot_of("intent", one) for one in copied}) == SLOTS
    assert all(is_copied(one, 100) for one in ids)


@pytest.mark.parametrize(
    ("routes", "owners"),
    [
        ([((), 100)], {0: 100}),
        ([((), 70), ((), 30)], {0: 70, 1: 30}),
        ([((1, 1, 2, 500, -1), 50), ((1, 2), 50)], {0: 50, 1: 50}),
        ([((), 3), ((), 1)], {0: 75, 1: 25}),
        ([((), 0), ((), 0)], {0: 100}),
    ],
)
def test_table_when_rows_are_not_as_they_should_be_then_every_slot_has_an_owner(
    routes: list[tuple[tuple[int, ...], int]], owners: dict[int, int]
) -> None:
    assert Counter(table(routes)) == Counter(owners)
