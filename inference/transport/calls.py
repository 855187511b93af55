"""The calls of this process to one version: taken, joined, timed out and answered, however they travel."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter

from common.errors import DeadlineExceeded, FluemanError, Unavailable
from inference.runner import frames
from inference.runner.frames import Tensor
from inference.transport.answers import Result, most_rows, split
from registry.signature import Signature

SWEEP_S = 0.05
MOST_JOINED_BYTES = 4 << 20  # calls larger than this travel alone
MOST_ANSWER_BYTES = frames.MAX_RESULT_BYTES  # of what answers one joined call

# Ids of request and trace of the call that is being submitted, for those who pass them on.
travelling: ContextVar[tuple[str, str]] = ContextVar("travelling", default=("", ""))


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way through a runner."""

    tensors: Sequence[Tensor]
    rows: int
    deadline: float
    future: asyncio.Future[Result]
    mark: tuple[str, str] = ("", "")  # ids of request and trace, where they travel along
    trailing: tuple[tuple[int, ...], ...] = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.trailing = tuple([tensor.shape[1:] for tensor in self.tensors])
        self.size = sum([len(tensor.payload) for tensor in self.tensors])


class Runner(ABC):
    """The calls of this process to one version. All methods run on one event loop.

    Calls of one loop turn travel together; no timer delays a lone call. At most `queue_rows` rows wait at once.
    """

    is_down = False  # it could not be reached, and has not been since

    def __init__(self, *, signature: Signature, queue_rows: int) -> None:
        self._signature = signature
        self._queue_rows = queue_rows
        self.most_joined_rows = most_rows(signature, MOST_ANSWER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Call] = []
        self._under_way: dict[int, list[Call]] = {}
        self._rows = 0
        self._ids = count(1)
        self._is_flush_due = False
        self._sweeper: asyncio.TimerHandle | None = None
        self.siblings: Sequence[Runner] = ()  # to other processes of the same version

    @property
    def rows(self) -> int:
        """How many rows wait or are under way."""
        return self._rows

    # -- what a kind of runner adds ------------------------------------------------------------------------------------
    @abstractmethod
    def _send(self, id: int, calls: list[Call], now: float) -> None:  # noqa: A002 - the name frames have for it
        """Send calls joined; `_answer`, `_refuse` or `_fail_all` ends them."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Let go of what the runner holds open."""

    def _is_open(self) -> bool:
        """Whether calls can be sent now; if not, `_flush` has to be called once they can."""
        return True

    # -- calls ---------------------------------------------------------------------------------------------------------
    def submit(self, tensors: Sequence[Tensor], rows: int, deadline: float) -> asyncio.Future[Result]:
        """Take a call; the future ends with its result. Raises Unavailable (queue_full) if too much waits already.

        `deadline` is a reading of `perf_counter`.
        """
        if self._rows and self._rows + rows > self._queue_rows:
            raise Unavailable("too many rows wait for this model", code="queue_full", retry_after_s=1)
        call = Call(tensors, rows, deadline, self._loop.create_future())
        self._take(call)
        return call.future

    def _take(self, call: Call) -> None:
        self._waiting.append(call)
        self._rows += call.rows
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def retire(self) -> None:
        """Hang up once what is under way has been answered; there will be no further calls."""
        if self._rows:
            self._loop.call_later(SWEEP_S, self.retire)
        else:
            self.close()

    async def wait_closed(self) -> None:
        """Wait, once it was closed, until nothing of it is left on the loop."""
        await asyncio.sleep(0)

    def close(self) -> None:
        """Hang up; what is under way fails."""
        self._hang_up()
        self._fail_all(Unavailable("the model is being replaced", code="runner_closed", retry_after_s=1))

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._waiting and self._is_open():
            calls, self._waiting = self._waiting, []
            now = perf_counter()
            for group in self._join(calls):
                self._begin(group, now)

    def _join(self, calls: Sequence[Call]) -> Iterator[list[Call]]:
        """Give the calls in groups that travel together: of one shape of row, neither calls nor answer too large."""
        groups: dict[object, list[Call]] = {}
        sizes: dict[object, tuple[int, int]] = {}
        for call in calls:
            if call.future.done():
                self._rows -= call.rows
                continue
            key = call.trailing if self._signature.is_batched else call
            size, rows = sizes.get(key, (0, 0))
            size, rows = size + call.size, rows + call.rows
            if (size > MOST_JOINED_BYTES or rows > self.most_joined_rows) and key in groups:
                yield groups.pop(key)
                size, rows = call.size, call.rows
            sizes[key] = size, rows
            groups.setdefault(key, []).append(call)
        yield from groups.values()

    def _begin(self, calls: list[Call], now: float) -> None:
        id_ = next(self._ids)
        self._under_way[id_] = calls
        self._send(id_, calls, now)

    # -- answers -------------------------------------------------------------------------------------------------------
    def _answer(
        self,
        id: int,  # noqa: A002
        tensors: Sequence[Tensor],
        queue_ms: float,
        run_ms: float,
        executions_per_row: float = 0.0,
    ) -> None:
        """End the calls that tensors answer. Raises ValueError for what is not as signed; they are under way then."""
        calls = self._under_way[id]
        sizes = [call.rows for call in calls]
        results = split(tensors, sizes, self._signature, queue_ms, run_ms, executions_per_row)
        self._release(id)
        for call, result in zip(calls, results, strict=True):
            if not call.future.done():
                call.future.set_result(result)

    def _refuse(self, id: int, error: FluemanError, *, is_about_one: bool) -> None:  # noqa: A002
        """Fail the calls, or where one of them may be to blame send each alone: it must not fail its neighbours."""
        calls = self._release(id)
        if len(calls) == 1 or not is_about_one:
            fail(calls, error)
            return
        now = perf_counter()
        for call in calls:
            if not call.future.done():
                self._rows += call.rows
                self._begin([call], now)

    def _release(self, id: int) -> list[Call]:  # noqa: A002
        calls = self._under_way.pop(id)
        self._rows -= sum([call.rows for call in calls])
        return calls

    def _sweep(self) -> None:
        """Fail the calls whose deadline has passed; their rows stay counted until the version has answered for them."""
        self._sweeper = None
        now = perf_counter()
        late = DeadlineExceeded("the model did not answer in time")
        expired = [call for call in self._waiting if call.deadline <= now]
        if expired:
            self._waiting = [call for call in self._waiting if call.deadline > now]
            self._rows -= sum(call.rows for call in expired)
            fail(expired, late)
        for group in self._under_way.values():
            if group[0].deadline <= now:
                fail([call for call in group if call.deadline <= now], late)
        if self._waiting or self._under_way:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _give_up(self, error: FluemanError) -> None:
        """Hand what waits, of which nothing was sent, to a sibling that can be reached; else it fails."""
        self.is_down = True
        calls, self._waiting = self._waiting, []
        self._rows -= sum([call.rows for call in calls])
        other = next((one for one in self.siblings if not one.is_down), None)
        if other is None:
            fail(calls, error)
            return
        for call in calls:
            other._take(call)

    def _fail_all(self, error: FluemanError) -> None:
        calls = [*self._waiting, *(call for group in self._under_way.values() for call in group)]
        self._waiting, self._under_way, self._rows = [], {}, 0
        fail(calls, error)


def joined(calls: Sequence[Call]) -> Sequence[Tensor]:
    """Give the tensors of calls put together."""
    if len(calls) == 1:
        return calls[0].tensors
    return [frames.join_rows(parts) for parts in zip(*(call.tensors for call in calls), strict=True)]


def fail(calls: Sequence[Call], error: FluemanError) -> None:
    """End those of the calls that have not ended with an error."""
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)


def plain(text: str, most: int = 500) -> str:
    """Give what another side said of its failure: one printable line of bounded length, of a long one both ends."""
    if len(text) > most:
        text = f"{text[: most // 3]} … {text[most // 3 + 3 - most :]}"  # of a traceback the last line says why
    return "".join(c if c.isprintable() else " " for c in text).strip()
