"""The queue of a model's process: takes what is waiting, runs it as one batch, gives each frame its rows back."""

from __future__ import annotations

import math
import resource
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.errors import FluemanError, Invalid, Unavailable
from inference.runner.frames import RESULT, Frame, Tensor, TooLongError, join_rows, pack, pack_error, split_rows
from registry.numbers import ITEM_BYTES
from registry.signature import Signature, TensorSpec

_BYTES_LENGTH = 4  # a BYTES element is at least its own length


class Pipeline(Protocol):
    """The loaded model."""

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give the outputs for the inputs, both in the signature's order."""


class Peer(Protocol):
    """Who sent a frame and waits for its answer."""

    def send(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one answer; does nothing when the peer has gone."""

    def is_gone(self) -> bool:
        """Whether nobody waits any more."""


@dataclass(slots=True)
class Waiting:
    """A frame in the queue; frames of one `key` may run together."""

    peer: Peer
    frame: Frame
    rows: int
    key: tuple[tuple[int, ...], ...]
    arrived_ns: int


class Batcher:
    """Runs frames in their order, together where they fit. `soon` schedules a call for the end of this loop turn."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        signature: Signature,
        max_batch: int,
        queue_rows: int,
        batch_deadline_s: float,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._pipeline = pipeline
        self._signature = signature
        self._max_batch = max_batch
        self._queue_rows = queue_rows
        self._batch_deadline_s = batch_deadline_s
        self._soon = soon
        self._waiting: deque[Waiting] = deque()
        self._rows = 0
        self._is_scheduled = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def submit(self, peer: Peer, frame: Frame) -> None:
        """Queue a frame, or answer it at once where it is wrong or the queue is full."""
        try:
            rows = check_inputs(self._signature, frame.tensors)
            if self._waiting and self._rows + rows > self._queue_rows:
                raise Unavailable(f"{self._rows} rows are waiting already", code="queue_full")
        except FluemanError as error:
            peer.send([pack_error(id=frame.id, code=error.code, message=error.message)])
            return
        key = tuple([tensor.shape[1:] for tensor in frame.tensors])
        self._waiting.append(Waiting(peer, frame, rows, key, time.monotonic_ns()))
        self._rows += rows
        if not self._is_scheduled:
            self._is_scheduled = True
            self._soon(self._run_waiting)

    def _run_waiting(self) -> None:
        """Run one batch; what came meanwhile is read before the next one is made."""
        batch = self._take()
        if batch:
            self._run(batch)
        if self._waiting:
            self._soon(self._run_waiting)
        else:
            self._is_scheduled = False

    def _take(self) -> list[Waiting]:
        """Give the frames at the head that can run together."""
        batch: list[Waiting] = []
        rows = 0
        waiting, now = self._waiting, time.monotonic_ns()
        while waiting:
            head = waiting[0]
            if batch and (
                not self._signature.is_batched or head.key != batch[0].key or rows + head.rows > self._max_batch
            ):
                break
            waiting.popleft()
            self._rows -= head.rows
            if head.peer.is_gone():
                continue
            if head.frame.a and now - head.arrived_ns > head.frame.a * 1_000_000:
                _refuse(head, "deadline_exceeded", "the deadline passed before the model ran")
                continue
            batch.append(head)
            rows += head.rows
        return batch

    def _run(self, batch: list[Waiting]) -> None:
        """Run frames joined and answer each; where that fails, each alone, so that only the bad one fails."""
        started = time.monotonic_ns()
        sizes = [item.rows for item in batch]
        rows = sum(sizes)
        try:
            outputs = self._outputs([item.frame.tensors for item in batch], rows)
            parts = [outputs] if len(batch) == 1 else zip(*(split_rows(out, sizes) for out in outputs), strict=True)
        except BaseException as error:  # a model may raise anything, and a panic in Rust is no Exception
            if len(batch) > 1:
                for item in batch:
                    self._run([item])
                return
            _refuse(batch[0], *describe(error))
            return
        model_us = min((time.monotonic_ns() - started) // 1000, 0xFFFFFFFF)
        runs = math.ceil(rows / self._max_batch) if self._signature.is_batched else 1
        for item, tensors in zip(batch, parts, strict=True):
            queue_us = min((started - item.arrived_ns) // 1000, 0xFFFFFFFF)
            try:
                pieces = pack(id=item.frame.id, kind=RESULT, a=queue_us, b=model_us, tensors=tensors, share=runs / rows)
            except TooLongError as error:  # also of calls joined by web, which sends them one by one then
                _refuse(item, "model_failed", str(error))
            else:
                item.peer.send(pieces)

    def _outputs(self, inputs: list[list[Tensor]], rows: int) -> list[Tensor]:
        joined = inputs[0] if len(inputs) == 1 else [join_rows(column) for column in zip(*inputs, strict=True)]
        if not self._signature.is_batched:
            return self._forward(joined, None)
        if rows <= self._max_batch:
            return self._forward(joined, rows)
        sizes = [min(self._max_batch, rows - at) for at in range(0, rows, self._max_batch)]
        chunks = zip(*(split_rows(tensor, sizes) for tensor in joined), strict=True)
        outputs = [self._forward(chunk, size) for chunk, size in zip(chunks, sizes, strict=True)]
        return [join_rows(column) for column in zip(*outputs, strict=True)]

    def _forward(self, inputs: Sequence[Tensor], rows: int | None) -> list[Tensor]:
        """One call of the model. Past its deadline the alarm ends this process: nothing else stops a native loop."""
        signal.setitimer(signal.ITIMER_REAL, self._batch_deadline_s)
        try:
            outputs = self._pipeline.run(inputs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for spec, output in zip(self._signature.outputs, outputs, strict=True):
            if rows is not None and output.shape[0] != rows:
                raise Unavailable(
                    f"output `{spec.name}` has {output.shape[0]} rows for {rows} rows of input", code="model_failed"
                )
        return outputs


def check_inputs(signature: Signature, tensors: Sequence[Tensor]) -> int:
    """Give the number of rows. Raises Invalid if the tensors do not fit the signature.

    The caller has checked values already; this guards the process against a frame of the wrong form.
    """
    if len(tensors) != len(signature.inputs):
        raise Invalid(f"{len(tensors)} inputs, the signature has {len(signature.inputs)}")
    for spec, tensor in zip(signature.inputs, tensors, strict=True):
        if not _fits(spec, tensor):
            raise Invalid(
                f"input `{spec.name}` is {tensor.datatype} {list(tensor.shape)} of {len(tensor.payload)} bytes, "
                f"the signature says {spec.datatype} {list(spec.shape)}",
                fields={spec.name: "does not fit the signature"},
            )
    if not signature.is_batched:
        return 1
    rows = tensors[0].shape[0]
    if any(tensor.shape[0] != rows for tensor in tensors):
        raise Invalid("the inputs have different numbers of rows")
    return rows


def _fits(spec: TensorSpec, tensor: Tensor) -> bool:
    shape, size = tensor.shape, len(tensor.payload)
    if tensor.datatype != spec.datatype or len(shape) != len(spec.shape):
        return False
    if any(have < 1 or want not in (-1, have) for want, have in zip(spec.shape, shape, strict=True)):
        return False
    elements = math.prod(shape)
    if spec.datatype == "BYTES":
        return size >= elements * _BYTES_LENGTH
    return size == elements * ITEM_BYTES[spec.datatype]


def describe(error: BaseException) -> tuple[str, str]:
    """Give code and message of a failure for the caller; what is not ours is printed to the log in full."""
    if isinstance(error, FluemanError):
        return error.code, error.message
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
        most = max(limits) // 1024**2  # one of them is set, the other -1
        return "model_failed", f"the model wants more memory than the {most} MiB it may have"
    first_line = (str(error).splitlines() or [""])[0][:200]
    return "model_failed", f"the model raised {type(error).__name__}: {first_line}"


def _refuse(item: Waiting, code: str, message: str) -> None:
    item.peer.send([pack_error(id=item.frame.id, code=code, message=message)])
