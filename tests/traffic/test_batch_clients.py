"""Canaries whose callers send many rows at once, all alike: none that is healthy is stopped, and one that drifts is.

The short form runs with the suite. `FLUEMAN_TRAFFIC=long pytest -s tests/traffic/test_batch_clients.py` is the long
one: 300 canaries of each kind (`docs/traffic.md`).
"""

from __future__ import annotations

import os
import random
import sys

import numpy as np
import pytest

from inference.traffic.judging import Guard, judge
from inference.traffic.sides import Side
from inference.transport import Output
from registry.signature import TensorSpec

LABELS = [b"refund", b"delivery", b"order", b"account", b"other"]
LABEL, SCORE = TensorSpec("label", "BYTES", (-1,)), TensorSpec("score", "FP32", (-1,))
CANARIES = 300 if os.environ.get("FLUEMAN_TRAFFIC") == "long" else 20
CALLS, LOOK_EVERY = 3000, 50
MOST_ROWS = 200


def answer(side: Side, chance: random.Random, drift: float = 0.0) -> None:
    """Count a call whose rows are all of one kind, as those of a batch client are; drift makes refunds of others."""
    topic = 0 if chance.random() < drift else chance.randrange(len(LABELS))
    rows = chance.randint(1, MOST_ROWS)
    score = np.full(rows, 0.5 + topic / 10 + chance.gauss(0, 0.02), np.float32)
    label = Output("BYTES", (rows,), [LABELS[topic]] * rows)
    side.answered(chance.lognormvariate(2, 0.3), [(LABEL, label), (SCORE, Output("FP32", (rows,), score))])


def stopped_after(seed: int, *, percent: int, drift: float = 0.0) -> int:
    """Give after how many calls of a canary, looked at again and again, it was stopped; 0 if it was not."""
    chance, canary, live = random.Random(seed), Side(), Side()
    for call in range(1, CALLS + 1):
        is_canary = chance.random() * 100 < percent
        answer(canary if is_canary else live, chance, drift if is_canary else 0.0)
        if call % LOOK_EVERY == 0 and judge(canary, live, Guard()).state == "stopped":
            return canary.requests
    return 0


@pytest.mark.parametrize("percent", [5, 20, 50])
def test_canary_when_clients_send_rows_that_are_alike_then_a_healthy_one_is_not_stopped(percent: int) -> None:
    stopped = [seed for seed in range(CANARIES) if stopped_after(seed, percent=percent)]
    sys.stdout.write(f"\n{percent} %: {len(stopped)} of {CANARIES} healthy canaries stopped\n")
    assert len(stopped) <= CANARIES // 100


@pytest.mark.parametrize("percent", [20, 50])
def test_canary_when_it_drifts_under_such_clients_then_it_is_stopped(percent: int) -> None:
    after = sorted(stopped_after(seed, percent=percent, drift=0.5) for seed in range(CANARIES))
    stopped = sum(map(bool, after))
    sys.stdout.write(f"\n{percent} %: {stopped} of {CANARIES} stopped after {after[0]} to {after[-1]} calls\n")
    assert min(after) >= 100
    assert after[-1] <= 600


def test_canary_when_it_got_one_call_of_many_rows_then_nothing_is_said_of_drift() -> None:
    chance, canary, live = random.Random(1), Side(), Side()
    for _ in range(500):
        answer(live, chance)
    label = Output("BYTES", (1000,), [b"refund"] * 1000)
    canary.answered(8.0, [(LABEL, label)])
    found = judge(canary, live, Guard())
    assert (found.state, found.drift_labels, found.drift_scores) == ("watching", None, None)
    assert sum(canary.labels.values()) == pytest.approx(1)
