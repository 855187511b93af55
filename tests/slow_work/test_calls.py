"""The rows of a run through a process that dies, refuses and is busy: a real small one, which lives in this test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from common.errors import FluemanError, NotReady, Unavailable, Unprocessable
from inference.batches import calls
from inference.batches.calls import AwayError, Calls
from inference.batches.columns import Numbers
from inference.transport import Output, Result
from registry.signature import TensorSpec

SPEC = TensorSpec("x", "FP32", (-1, 1))


class Process:
    """Doubles numbers; `trouble` says for a call's numbers what goes wrong with it."""

    def __init__(self, trouble: Callable[[np.ndarray], FluemanError | None]) -> None:
        self._trouble = trouble
        self._under_way: list[asyncio.Future[Result]] = []
        self.most_under_way = self.most_rows = 0

    def submit(self, tensors: Sequence[Any], rows: int, deadline: float) -> asyncio.Future[Result]:
        """Take a call; when the process dies, all that are under way fail."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._under_way.append(future)
        self.most_rows = max(self.most_rows, rows)
        self.most_under_way = max(self.most_under_way, len(self._under_way))
        values = np.frombuffer(tensors[0].payload, "<f4").reshape(rows, 1)
        asyncio.get_running_loop().call_later(0.001, self._answer, future, values)
        return future

    def _answer(self, future: asyncio.Future[Result], values: np.ndarray) -> None:
        if future.done():
            return
        error = self._trouble(values)
        if error is None:
            self._under_way.remove(future)
            future.set_result(Result([Output("FP32", values.shape, values * 2)], 0.0, 1.0))
            return
        failed = list(self._under_way) if error.code == "runner_lost" else [future]
        for one in failed:
            self._under_way.remove(one)
            one.set_exception(error)


def run(
    process: Process, rows: int, *, patience_s: float = 5.0, locate: Any = None, most_rows: int = calls.MOST_ROWS
) -> dict[int, Any]:
    """Run so many rows and give what each got: a number or an error."""

    async def place() -> Any:
        return process

    async def work() -> dict[int, Any]:
        given = Numbers(SPEC, np.arange(rows, dtype="<f4").reshape(rows, 1))
        found: dict[int, Any] = {}
        for one in await Calls(locate or place, 5.0, patience_s, most_rows).run([given], rows):
            for row in range(one.first, one.last):
                assert row not in found
                found[row] = one.error or one.outputs[0].values[row - one.first][0]
        return found

    return asyncio.run(work())


def test_calls_when_all_is_well_answer_each_row_once_with_several_under_way():
    process = Process(lambda values: None)
    assert run(process, 5000) == {row: 2.0 * row for row in range(5000)}
    assert process.most_under_way == calls.UNDER_WAY


@pytest.mark.parametrize("most_rows", [1, 7, 100])
def test_calls_when_no_more_rows_may_go_together_stay_below(most_rows):
    process = Process(lambda values: None)
    assert run(process, 1500, most_rows=most_rows) == {row: 2.0 * row for row in range(1500)}
    assert process.most_rows == most_rows


def test_calls_when_rows_kill_the_process_blame_them_and_no_other():
    deadly = {17, 700, 701}
    process = Process(lambda values: Unavailable("died", code="runner_lost") if deadly & set(values.ravel()) else None)
    found = run(process, 1500)
    assert {row for row, got in found.items() if isinstance(got, str)} == deadly
    assert len(found) == 1500


def test_calls_when_the_process_is_killed_now_and_then_blame_nobody():
    kills = iter([None, "x", None, None, "x", "x"])
    process = Process(lambda values: Unavailable("died", code="runner_lost") if next(kills, None) else None)
    assert run(process, 900) == {row: 2.0 * row for row in range(900)}


def test_calls_when_the_model_refuses_a_row_give_its_error_at_once():
    process = Process(lambda values: Unavailable("no", code="model_failed") if 5 in values else None)
    found = run(process, 100)
    assert [row for row, got in found.items() if got == "no"] == [5]


def test_calls_when_the_queue_is_full_or_the_version_loads_wait():
    answers = iter([Unavailable("full", code="queue_full"), NotReady("loading", code="not_ready")] * 3)
    process = Process(lambda values: next(answers, None))
    assert len(run(process, 100)) == 100


@pytest.mark.parametrize("code", sorted(calls.AWAY))
def test_calls_when_a_server_elsewhere_is_away_for_a_moment_then_no_row_is_blamed(code):
    answers = iter([Unavailable("away", code=code)] * 20)
    process = Process(lambda values: next(answers, None))
    assert run(process, 500) == {row: 2.0 * row for row in range(500)}


def test_calls_when_too_many_rows_kill_the_process_give_up():
    process = Process(lambda values: Unavailable("died", code="runner_lost"))
    with pytest.raises(Unprocessable) as refused:
        run(process, 64)
    assert refused.value.code == "deadly_rows"


def test_calls_when_there_is_no_process_for_too_long_blame_no_row():
    async def nowhere() -> Any:
        raise NotReady("loading", code="not_ready")

    with pytest.raises(AwayError):
        run(Process(lambda values: None), 10, patience_s=0.1, locate=nowhere)


def test_row_when_it_ends_a_server_behind_a_gateway_each_time_is_found_and_the_others_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "LOST_S", 0.2)
    process = Process(lambda values: Unavailable("behind its gateway", code="remote_lost") if 7 in values else None)
    found = run(process, 16)
    assert [row for row, got in found.items() if isinstance(got, str)] == [7]
    assert [found[row] for row in (0, 6, 8, 15)] == [0, 12, 16, 30]
