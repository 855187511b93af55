"""From web to the child process of a version: batches of one loop turn as frames over a unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import NamedTuple

import numpy as np

from common.errors import DeadlineExceeded, FluemanError, Invalid, NotReady, Unavailable
from inference.runner import frames
from inference.runner.frames import Frame, Reader, Tensor
from registry.signature import DTYPES, FLOATS

Values = np.ndarray | list[bytes]

_KINDS: dict[str, type[FluemanError]] = {"deadline_exceeded": DeadlineExceeded, "invalid": Invalid}
_SWEEP_S = 0.05
_MOST_JOINED_BYTES = 4 << 20  # calls larger than this travel alone


class Output(NamedTuple):
    """One output of one call: `values` is an array, or for BYTES the flat list of elements."""

    datatype: str
    shape: tuple[int, ...]
    values: Values


class Result(NamedTuple):
    """What the child answered to one call, and how long that took it."""

    outputs: list[Output]
    queue_ms: float
    run_ms: float


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way through a runner."""

    tensors: Sequence[Tensor]
    rows: int
    deadline: float
    future: asyncio.Future[Result]
    trailing: tuple[tuple[int, ...], ...] = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.trailing = tuple([tensor.shape[1:] for tensor in self.tensors])
        self.size = sum([len(tensor.payload) for tensor in self.tensors])


class Runner(asyncio.Protocol):
    """The calls of this process to one version's child. All methods run on one event loop.

    Calls of one loop turn travel as one frame; no timer delays a lone call. At most `queue_rows` rows wait at once.
    """

    def __init__(self, socket_path: str, *, is_batched: bool, queue_rows: int) -> None:
        self.socket_path = socket_path
        self._is_batched = is_batched
        self._queue_rows = queue_rows
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reader = Reader()
        self._waiting: list[Call] = []
        self._under_way: dict[int, list[Call]] = {}
        self._rows = 0
        self._ids = count(1)
        self._is_flush_due = False
        self._sweeper: asyncio.TimerHandle | None = None

    # -- calls ---------------------------------------------------------------------------------------------------------
    def submit(self, tensors: Sequence[Tensor], rows: int, deadline: float) -> asyncio.Future[Result]:
        """Take a call; the future ends with its result. Raises Unavailable (queue_full) if too much waits already.

        `deadline` is a reading of `perf_counter`.
        """
        if self._rows and self._rows + rows > self._queue_rows:
            raise Unavailable("too many rows wait for this model", code="queue_full", retry_after_s=1)
        call = Call(tensors, rows, deadline, self._loop.create_future())
        self._waiting.append(call)
        self._rows += rows
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        return call.future

    def retire(self) -> None:
        """End the connection once what is under way has been answered; there will be no further calls."""
        if self._rows:
            self._loop.call_later(_SWEEP_S, self.retire)
        else:
            self.close()

    def close(self) -> None:
        """End the connection; what is under way fails."""
        if self._transport:
            self._transport.close()
        if self._connecting:
            self._connecting.cancel()
        self._fail_all(Unavailable("the model is being replaced", code="runner_closed", retry_after_s=1))

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._transport is None:
            if self._connecting is None and self._waiting:
                self._connecting = self._loop.create_task(self._connect())
            return
        calls, self._waiting = self._waiting, []
        now = perf_counter()
        groups: dict[object, list[Call]] = {}
        sizes: dict[object, int] = {}
        for call in calls:
            if call.future.done():
                self._rows -= call.rows
                continue
            key = call.trailing if self._is_batched else call
            sizes[key] = sizes.get(key, 0) + call.size
            if sizes[key] > _MOST_JOINED_BYTES and key in groups:
                self._send(groups.pop(key), now)
                sizes[key] = call.size
            groups.setdefault(key, []).append(call)
        for group in groups.values():
            self._send(group, now)

    def _send(self, group: list[Call], now: float) -> None:
        frame_id = next(self._ids)
        self._under_way[frame_id] = group
        budget_ms = max(1, int((max(call.deadline for call in group) - now) * 1000))
        if len(group) == 1:
            tensors = group[0].tensors
        else:
            tensors = [frames.join_rows(parts) for parts in zip(*(call.tensors for call in group), strict=True)]
        assert self._transport is not None
        self._transport.writelines(frames.pack(id=frame_id, kind=frames.INFER, a=budget_ms, tensors=tensors))

    # -- answers -------------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Take bytes of the child."""
        try:
            for frame in self._reader.feed(data):
                calls = self._under_way.pop(frame.id, None)
                if calls is not None:
                    self._finish(calls, frame)
        except (frames.FrameError, ValueError) as error:
            self._fail_all(Unavailable(f"the model answered nonsense: {error}", code="runner_broken"))
            if self._transport:
                self._transport.abort()

    def _finish(self, calls: list[Call], frame: Frame) -> None:
        for call in calls:
            self._rows -= call.rows
        if frame.kind == frames.RESULT:
            for call, result in zip(calls, split(frame, [call.rows for call in calls]), strict=True):
                if not call.future.done():
                    call.future.set_result(result)
        elif len(calls) > 1 and not frame.text.startswith(("queue_full", "deadline_exceeded")):
            # One bad request must not fail those that happened to travel with it.
            now = perf_counter()
            for call in calls:
                if not call.future.done():
                    self._rows += call.rows
                    self._send([call], now)
        else:
            code, _, message = frame.text.partition("\n")
            kind = _KINDS.get(code, Unavailable)
            _fail(calls, kind(message or "the model failed", code=code or "model_failed"))

    def _sweep(self) -> None:
        """Fail the calls whose deadline has passed; their rows stay counted until the child has answered for them."""
        self._sweeper = None
        now = perf_counter()
        late = DeadlineExceeded("the model did not answer in time")
        expired = [call for call in self._waiting if call.deadline <= now]
        if expired:
            self._waiting = [call for call in self._waiting if call.deadline > now]
            self._rows -= sum(call.rows for call in expired)
            _fail(expired, late)
        for group in self._under_way.values():
            if group[0].deadline <= now:
                _fail([call for call in group if call.deadline <= now], late)
        if self._waiting or self._under_way:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)

    # -- the connection ------------------------------------------------------------------------------------------------
    async def _connect(self) -> None:
        try:
            await self._loop.create_unix_connection(lambda: self, self.socket_path)
        except OSError:
            self._connecting = None
            self._fail_all(NotReady("the model is not loaded yet", code="not_ready", retry_after_s=1))
        else:
            self._connecting = None
            self._flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin anew on a fresh connection."""
        self._transport = transport  # type: ignore[assignment]
        self._reader = Reader()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what was under way; the next call connects again."""
        self._transport = None
        self._fail_all(Unavailable("the model's process has ended", code="runner_lost", retry_after_s=1))

    def _fail_all(self, error: FluemanError) -> None:
        calls = [*self._waiting, *(call for group in self._under_way.values() for call in group)]
        self._waiting, self._under_way, self._rows = [], {}, 0
        _fail(calls, error)


def split(frame: Frame, sizes: Sequence[int]) -> list[Result]:
    """Cut the outputs of a joined call into the results of its parts. Raises ValueError if they do not fit."""
    queue_ms, run_ms = frame.a / 1000, frame.b / 1000
    if len(sizes) == 1:
        return [Result([decode(tensor) for tensor in frame.tensors], queue_ms, run_ms)]
    parts: list[list[Output]] = [[] for _ in sizes]
    for output in map(decode, frame.tensors):
        if output.shape[0] != sum(sizes):
            raise ValueError(f"{output.shape[0]} rows for {sum(sizes)}")
        rest = output.shape[1:]
        step = 1
        if isinstance(output.values, list):
            step = int(np.prod(rest, dtype=np.int64)) if rest else 1
        at = 0
        for part, rows in zip(parts, sizes, strict=True):
            values = output.values[at * step : (at + rows) * step]
            part.append(Output(output.datatype, (rows, *rest), values))
            at += rows
    return [Result(part, queue_ms, run_ms) for part in parts]


def decode(tensor: Tensor) -> Output:
    """Give a tensor's values. Raises ValueError if bytes and shape do not fit."""
    if tensor.datatype == "BYTES":
        return Output("BYTES", tensor.shape, frames.unpack_strings(tensor.payload))
    array = np.frombuffer(tensor.payload, dtype=DTYPES[tensor.datatype]).reshape(tensor.shape)
    return Output(tensor.datatype, tensor.shape, array)


def is_finite(output: Output) -> bool:
    """Whether JSON can carry the output."""
    return output.datatype not in FLOATS or bool(np.isfinite(output.values).all())


def _fail(calls: Sequence[Call], error: FluemanError) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
