"""From web to the child process of a version: batches of one loop turn as frames over a unix socket."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import NamedTuple

import numpy as np

from common.errors import DeadlineExceeded, FluemanError, Invalid, NotReady, Unavailable
from inference.runner import frames
from inference.runner.frames import Frame, Reader, Tensor
from registry.signature import DTYPES, FLOATS, Signature, TensorSpec

Values = np.ndarray | list[bytes]

_KINDS: dict[str, type[FluemanError]] = {"deadline_exceeded": DeadlineExceeded, "invalid": Invalid}
_SWEEP_S = 0.05
_MOST_JOINED_BYTES = 4 << 20  # calls larger than this travel alone
_MOST_ANSWER_BYTES = 64 << 20  # of one frame of a child
_MOST_TEXTS = 1 << 20  # in one output
_MESSAGE_CHARACTERS = 500
# What a child may call its failures; another code is not passed on.
_CODES = frozenset({"invalid", "deadline_exceeded", "queue_full", "model_failed", "bad_frame"})


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

    def __init__(self, socket_path: str, *, signature: Signature, queue_rows: int) -> None:
        self.socket_path = socket_path
        self._signature = signature
        self._queue_rows = queue_rows
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reader = Reader(_MOST_ANSWER_BYTES)
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
            key = call.trailing if self._signature.is_batched else call
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
        """Take bytes of the child, which may be anything: after the first that make no answer it is not listened to."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for frame in self._reader.feed(data):
                self._finish(frame)
        except ValueError as error:
            self._fail_all(Unavailable(f"the model answered nonsense: {error}", code="runner_broken"))
            self._transport.abort()

    def _finish(self, frame: Frame) -> None:
        """End the calls that a frame answers. Raises ValueError for one that is no answer; they are under way then."""
        calls = self._under_way.get(frame.id)
        if calls is None or frame.kind not in (frames.RESULT, frames.ERROR):
            raise ValueError("a frame that nobody asked for")
        results = split(frame, [call.rows for call in calls], self._signature) if frame.kind == frames.RESULT else []
        del self._under_way[frame.id]
        for call in calls:
            self._rows -= call.rows
        if frame.kind == frames.RESULT:
            for call, result in zip(calls, results, strict=True):
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
            _fail(calls, _error(frame.text))

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
        self._reader = Reader(_MOST_ANSWER_BYTES)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what was under way; the next call connects again."""
        self._transport = None
        self._fail_all(Unavailable("the model's process has ended", code="runner_lost", retry_after_s=1))

    def _fail_all(self, error: FluemanError) -> None:
        calls = [*self._waiting, *(call for group in self._under_way.values() for call in group)]
        self._waiting, self._under_way, self._rows = [], {}, 0
        _fail(calls, error)


def split(frame: Frame, sizes: Sequence[int], signature: Signature) -> list[Result]:
    """Cut the outputs of a joined call into the results of its parts. Raises ValueError for what is not as signed."""
    queue_ms, run_ms = frame.a / 1000, frame.b / 1000
    if len(frame.tensors) != len(signature.outputs):
        raise ValueError(f"{len(frame.tensors)} outputs, the signature says {len(signature.outputs)}")
    rows = sum(sizes) if signature.is_batched else None
    outputs = [decode(tensor, spec, rows) for tensor, spec in zip(frame.tensors, signature.outputs, strict=True)]
    if len(sizes) == 1:
        return [Result(outputs, queue_ms, run_ms)]
    parts: list[list[Output]] = [[] for _ in sizes]
    for output in outputs:
        rest = output.shape[1:]
        step = math.prod(rest) if isinstance(output.values, list) else 1
        at = 0
        for part, count_ in zip(parts, sizes, strict=True):
            values = output.values[at * step : (at + count_) * step]
            part.append(Output(output.datatype, (count_, *rest), values))
            at += count_
    return [Result(part, queue_ms, run_ms) for part in parts]


def decode(tensor: Tensor, spec: TensorSpec, rows: int | None) -> Output:
    """Give a tensor's values; `rows` is None where there is no batch. Raises ValueError for what is not as signed."""
    datatype, shape, payload = tensor
    fits = datatype == spec.datatype and len(shape) == len(spec.shape)
    if not fits or any(have < 0 or want not in (-1, have) for want, have in zip(spec.shape, shape, strict=True)):
        raise ValueError(f"output `{spec.name}` is {datatype} {list(shape)}, not {spec.datatype} {list(spec.shape)}")
    if rows is not None and shape[0] != rows:
        raise ValueError(f"output `{spec.name}` has {shape[0]} rows for {rows} rows of input")
    if datatype == "BYTES":
        return Output("BYTES", shape, _texts(payload, math.prod(shape), spec.name))
    return Output(datatype, shape, np.frombuffer(payload, dtype=DTYPES[datatype]).reshape(shape))


def _texts(payload: bytes | memoryview, wanted: int, name: str) -> list[bytes]:
    if wanted > _MOST_TEXTS:
        raise ValueError(f"output `{name}` has {wanted} texts, more than {_MOST_TEXTS}")
    values = frames.unpack_strings(payload, wanted)
    if len(values) != wanted or any(b"\0" in value for value in values):
        raise ValueError(f"output `{name}` holds other texts than its shape says, or NUL")
    return values


def _error(text: str) -> FluemanError:
    """Give the error that a child tells; it chooses neither codes of ours nor how much a caller reads."""
    code, _, message = text.partition("\n")
    if code not in _CODES:
        code = "model_failed"
    said = "".join(c if c.isprintable() else " " for c in message[:_MESSAGE_CHARACTERS]).strip()
    return _KINDS.get(code, Unavailable)(said or "the model failed", code=code)


def is_finite(output: Output) -> bool:
    """Whether JSON can carry the output."""
    return output.datatype not in FLOATS or bool(np.isfinite(output.values).all())


def _fail(calls: Sequence[Call], error: FluemanError) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
