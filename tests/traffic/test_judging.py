"""The judge: real numbers in, the same verdict out; harm is found soon and nothing is stopped for noise."""

from __future__ import annotations

import random

import pytest

from common.errors import Invalid
from inference.figures.latency import bucket
from inference.traffic.evidence import lower_bound, noise, score_bucket, stability, upper_bound
from inference.traffic.judging import Counts, Guard, Verdict, judge

GUARD = Guard()


def make_counts(
    calls: int, *, error_rate: float = 0.0, ms: float = 10.0, score: float = 0.8, labels: str = "ab", seed: int = 1
) -> Counts:
    """Give what a side counted of calls with lognormal latencies and scores around a mean."""
    chance, counts = random.Random(seed), Counts()
    for _ in range(calls):
        counts.requests += 1
        counts.latency[str(bucket(ms * chance.lognormvariate(0, 0.4)))] += 1
        if chance.random() < error_rate:
            counts.errors += 1
            continue
        counts.scores[str(score_bucket(min(max(chance.gauss(score, 0.1), 0), 1)))] += 1
        counts.labels[chance.choice(labels)] += 1
    return counts


def verdict(canary: Counts, live: Counts, **guard: object) -> Verdict:
    return judge(canary, live, Guard(**guard))  # type: ignore[arg-type]


def test_judge_when_both_sides_are_alike_then_watching_and_later_good() -> None:
    early = verdict(make_counts(120), make_counts(3000, seed=2))
    assert (early.state, early.needed, early.reason) == ("watching", 380, {})
    later = verdict(make_counts(500), make_counts(9000, seed=2))
    assert (later.state, later.needed) == ("good", 0)
    assert later.canary.p95_ms == pytest.approx(10 * 1.93, rel=0.15)
    assert later.canary.score_mean == pytest.approx(0.8, abs=0.02)


def test_judge_when_nothing_was_called_then_watching() -> None:
    found = verdict(Counts(), Counts())
    assert (found.state, found.needed, found.canary.error_rate) == ("watching", 500, None)


@pytest.mark.parametrize(("rate", "calls"), [(1.0, 10), (0.2, 60), (0.05, 400)])
def test_judge_when_a_canary_errs_then_stopped_after_few_calls(rate: float, calls: int) -> None:
    found = verdict(make_counts(calls, error_rate=rate), make_counts(calls * 19, error_rate=0.001, seed=2))
    assert (found.state, found.reason["code"]) == ("stopped", "errors")
    assert found.reason["at_least"] > GUARD.error_rate


def test_judge_when_live_errs_as_much_then_not_the_canarys_fault() -> None:
    found = verdict(make_counts(600, error_rate=0.2), make_counts(9000, error_rate=0.2, seed=2))
    assert found.state == "good"


@pytest.mark.parametrize(("factor", "state"), [(1.0, "good"), (1.2, "good"), (2.5, "stopped"), (10.0, "stopped")])
def test_judge_when_a_canary_is_slower_then_stopped_past_the_factor(factor: float, state: str) -> None:
    found = verdict(make_counts(600, ms=20 * factor), make_counts(9000, ms=20, seed=2))
    assert found.state == state
    assert found.reason.get("code") == (None if state == "good" else "latency")


def test_judge_when_slower_by_less_than_the_slack_then_good() -> None:
    assert verdict(make_counts(600, ms=0.9), make_counts(9000, ms=0.3, seed=2)).state == "good"


def test_judge_when_scores_drift_then_stopped() -> None:
    found = verdict(make_counts(300, score=0.4), make_counts(5000, seed=2))
    assert (found.state, found.reason["code"]) == ("stopped", "drift_scores")
    assert found.drift_scores is not None
    assert found.drift_scores > GUARD.drift


def test_judge_when_labels_drift_then_stopped() -> None:
    found = verdict(make_counts(300, labels="aaaaaaab"), make_counts(5000, seed=2))
    assert (found.state, found.reason["code"]) == ("stopped", "drift_labels")


def test_judge_when_labels_are_without_number_then_still_bounded_and_not_stopped() -> None:
    many = [chr(0x4E00 + n) for n in range(2000)]
    assert verdict(make_counts(600, labels=many), make_counts(9000, labels=many, seed=2)).state == "good"  # type: ignore[arg-type]


def test_judge_when_looked_at_each_second_of_good_canaries_then_none_is_stopped() -> None:
    stopped = 0
    for seed in range(40):
        canary, live = Counts(), Counts()
        for second in range(40):
            canary.add(make_counts(12, error_rate=0.02, seed=seed * 1000 + second))
            live.add(make_counts(120, error_rate=0.02, seed=seed * 1000 + 500 + second))
            stopped += judge(canary, live, GUARD).state == "stopped"
    assert stopped == 0


def test_bounds_when_looked_at_after_every_call_then_hold() -> None:
    wrong = 0
    for seed in range(200):
        chance, hits = random.Random(seed), 0
        for calls in range(1, 300):
            hits += chance.random() < 0.1
            if not lower_bound(hits, calls, 0.05) <= 0.1 <= upper_bound(hits, calls, 0.05):
                wrong += 1
                break
    assert wrong <= 20  # two bounds of 5 % each, over 200 walks


@pytest.mark.parametrize(("hits", "calls"), [(0, 0), (0, 50), (50, 50), (1, 1), (10**6, 10**7)])
def test_bounds_when_at_the_edge_then_between_nought_and_one(hits: int, calls: int) -> None:
    assert 0 <= lower_bound(hits, calls) <= upper_bound(hits, calls) <= 1


def test_stability_when_known_by_hand_then_so() -> None:
    found = stability({"a": 500, "b": 500}, {"a": 800, "b": 200})
    assert found is not None
    # (0.5 - 0.8) ln(0.5 / 0.8) + (0.5 - 0.2) ln(0.5 / 0.2)
    assert found[0] == pytest.approx(0.4159, abs=0.003)
    assert stability({"a": 20}, {"a": 900}) is None
    assert stability({"a": 200}, {"a": 900}) == (0.0, 0.0)


def test_noise_when_known_by_hand_then_so() -> None:
    # t = 95: (1 + 100 / 95) (ln(1 + 95 / 100) + 2 ln 1000) / 95
    assert noise(100, 1900, 2) == pytest.approx(0.3129, abs=0.0001)
    assert noise(100, 1900, 10) > noise(1000, 19000, 10) > noise(10**5, 10**6, 10) > 0


def test_counts_when_kept_and_read_then_the_same() -> None:
    counts = make_counts(100, error_rate=0.1)
    assert Counts.from_dict(counts.as_dict()) == counts
    assert Counts.from_dict({}) == Counts()


@pytest.mark.parametrize(
    "wrong",
    [{"error_rate": 0}, {"error_rate": 2}, {"latency_factor": 0.5}, {"latency_factor": float("nan")}, {"drift": -1},
     {"min_requests": 0}, {"steps": (50, 20)}, {"steps": (0, 10)}, {"steps": (5, 101)}, {"step_minutes": 0}],
)  # fmt: skip
def test_guard_when_out_of_range_then_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        Guard(**wrong).checked()  # type: ignore[arg-type]
    assert list(refused.value.fields) == list(wrong)


def test_guard_when_kept_and_read_then_the_same() -> None:
    guard = Guard(steps=(5, 25, 100), drift=0.1)
    assert Guard.from_dict(guard.as_dict()) == guard
    assert Guard.from_dict({"unknown": 1}) == Guard()
