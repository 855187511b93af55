"""Calls of one loop turn, which travel together: each is answered, however long their answers are together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from common.errors import Unavailable
from inference.runner.batching import Batcher
from inference.runner.frames import Reader, Tensor
from inference.transport import Result, SocketRunner
from inference.transport.answers import most_rows
from registry.signature import Signature, parse_signature
from tests.runner.making import rows_of

WIDE = 1 << 20  # numbers of one row: 16 rows are a little more than one answer may have


def signed(*shape: int, datatype: str = "FP32") -> Signature:
    return parse_signature(
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": datatype, "shape": list(shape)}],
        }
    )


class Zeros:
    """A model that answers each row with so many zeros."""

    def run(self, inputs: Any) -> list[Tensor]:
        rows = inputs[0].shape[0]
        return [Tensor("FP32", (rows, WIDE), bytes(4 * rows * WIDE))]


class Door(asyncio.Protocol):
    """The connection of a model's process, which notes the rows of each frame."""

    def __init__(self, batcher: Batcher, frames: list[int]) -> None:
        self._batcher, self._frames, self._reader = batcher, frames, Reader()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            self._frames.append(frame.tensors[0].shape[0])
            self._batcher.submit(self, frame)

    def send(self, pieces: Any) -> None:
        self._transport.writelines(pieces)

    def is_gone(self) -> bool:
        return bool(self._transport.is_closing())


def run(place: Path, signature: Signature, work: Callable[[SocketRunner], Coroutine[Any, Any, Any]]) -> list[int]:
    """Do some work with a runner, and give the rows of the frames that it sent."""
    frames: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limits = {"max_batch": 64, "queue_rows": 100, "batch_deadline_s": 20.0}
        batcher = Batcher(pipeline=Zeros(), signature=signature, soon=loop.call_soon, **limits)  # type: ignore[arg-type]
        path = str(place / "m.sock")
        door = await loop.create_unix_server(lambda: Door(batcher, frames), path)
        runner = SocketRunner(path, signature=signature, queue_rows=100)
        try:
            await work(runner)
        finally:
            runner.close()
            door.close()

    asyncio.run(main())
    return frames


def call(runner: SocketRunner, rows: int = 1) -> asyncio.Future[Result]:
    return runner.submit([rows_of(*[[1, 2, 3, 4]] * rows)], rows, perf_counter() + 20)


async def call_together(runner: SocketRunner) -> None:
    results = await asyncio.gather(*(call(runner) for _ in range(17)))
    assert {result.outputs[0].shape for result in results} == {(1, WIDE)}


def test_calls_when_their_answers_are_long_together_then_no_more_travel_than_one_answer_holds(tmp_path: Path) -> None:
    assert run(tmp_path, signed(-1, WIDE), call_together) == [15, 2]


def test_calls_when_answers_of_open_size_are_too_long_together_then_each_is_answered_alone(tmp_path: Path) -> None:
    assert run(tmp_path, signed(-1, -1), call_together) == [17] + [1] * 17


def test_call_when_its_own_answer_is_too_long_then_it_fails_and_those_beside_it_are_answered(tmp_path: Path) -> None:
    async def work(runner: SocketRunner) -> None:
        await call(runner)  # the connection stands
        alone = call(runner, 17)
        await asyncio.sleep(0)
        others = [call(runner), call(runner)]
        with pytest.raises(Unavailable, match=r"the model gave an answer of 71,303,2\d\d bytes"):
            await alone
        assert [(await one).outputs[0].shape for one in others] == [(1, WIDE)] * 2

    assert run(tmp_path, signed(-1, -1), work) == [1, 17, 2]


@pytest.mark.parametrize(
    ("signature", "number_bytes", "most"),
    [
        (signed(-1, 4), 0, 1 << 20),
        (signed(-1, -1), 0, 1 << 20),
        (signed(-1, datatype="BYTES"), 0, 1 << 20),
        (signed(-1, 1000), 0, 16773),
        (signed(-1, 1000), 32, 2096),
        (signed(-1, 1 << 25), 0, 0),  # a call travels alone whatever its answer
        (signed(4, 1000), 0, 1 << 20),
    ],
)
def test_most_rows_when_sizes_are_signed_then_what_fits(signature: Signature, number_bytes: int, most: int) -> None:
    assert most_rows(signature, 64 << 20, number_bytes) == most
