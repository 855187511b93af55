"""To a version's process behind a model host: frames over a unix socket, or by the door of a host elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from common.errors import DeadlineExceeded, FluemanError, Invalid, NotReady, Unavailable
from inference.runner import frames
from inference.runner.frames import Frame, Reader
from inference.transport.calls import MOST_ANSWER_BYTES, Call, Runner, joined, plain
from registry.signature import Signature

logger = logging.getLogger(__name__)

_PROBE_S = 1.0  # between tries to reach a process that siblings stand in for
_KINDS: dict[str, type[FluemanError]] = {"deadline_exceeded": DeadlineExceeded, "invalid": Invalid}
# What a child may call its failures; another code is not passed on.
_CODES = frozenset({"invalid", "deadline_exceeded", "queue_full", "model_failed", "bad_frame"})
_ABOUT_ALL = ("queue_full", "deadline_exceeded")


Connect = Callable[[str, asyncio.Protocol], Awaitable[object]]


def connect_here(path: str, protocol: asyncio.Protocol) -> Awaitable[object]:
    """Connect to a unix socket."""
    return asyncio.get_running_loop().create_unix_connection(lambda: protocol, path)


class SocketRunner(Runner, asyncio.Protocol):
    """One connection to a child; what is sent before it stands waits for it."""

    def __init__(
        self, socket_path: str, *, signature: Signature, queue_rows: int, connect: Connect = connect_here
    ) -> None:
        super().__init__(signature=signature, queue_rows=queue_rows)
        self.socket_path = socket_path
        self._connect_to = connect
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reader = Reader(MOST_ANSWER_BYTES)
        self._is_ended = False
        self._is_leaving = False  # the child takes no more calls on this connection

    def _is_open(self) -> bool:
        if self._transport is None and self._connecting is None and not self._is_ended:
            self._connecting = self._loop.create_task(self._connect())
        return self._transport is not None and not self._is_leaving

    def _hang_up(self) -> None:
        self._is_ended = self.is_down = True
        if self._transport:
            self._transport.close()
        if self._connecting:
            self._connecting.cancel()

    def _send(self, id: int, calls: list[Call], now: float) -> None:  # noqa: A002
        budget_ms = max(1, int((max(call.deadline for call in calls) - now) * 1000))
        assert self._transport is not None
        self._transport.writelines(frames.pack(id=id, kind=frames.INFER, a=budget_ms, tensors=joined(calls)))

    # -- answers -------------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Take bytes of the child, which may be anything: after the first that make no answer it is not listened to."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for frame in self._reader.feed(data):
                if frame.id == 0 and frame.kind == frames.ERROR and frame.text.startswith(frames.CLOSING):
                    self._is_leaving = True
                else:
                    self._finish(frame)
            if self._is_leaving and not self._under_way:
                self._transport.close()
        except ValueError as error:
            self._fail_all(Unavailable(f"the model answered nonsense: {error}", code="runner_broken"))
            self._transport.abort()

    def _finish(self, frame: Frame) -> None:
        """End the calls that a frame answers. Raises ValueError for one that is no answer; they are under way then."""
        if frame.id not in self._under_way or frame.kind not in (frames.RESULT, frames.ERROR):
            raise ValueError("a frame that nobody asked for")
        if frame.kind == frames.RESULT:
            self._answer(frame.id, frame.tensors, frame.a / 1000, frame.b / 1000, frame.share)
        else:
            self._refuse(frame.id, _error(frame.text), is_about_one=not frame.text.startswith(_ABOUT_ALL))

    # -- the connection ------------------------------------------------------------------------------------------------
    async def _connect(self) -> None:
        try:
            await self._connect_to(self.socket_path, self)
        except OSError as error:
            if not self.is_down:
                logger.warning("%s cannot be reached: %s", self.socket_path, error)
            self._connecting = None
            self._give_up(NotReady("the model is not loaded yet", code="not_ready", retry_after_s=1))
            if self.siblings and not self._is_ended:
                self._loop.call_later(_PROBE_S, self._is_open)
        else:
            self._connecting = None
            self.is_down = False
            self._flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin anew on a fresh connection."""
        self._transport = transport  # type: ignore[assignment]
        self._reader = Reader(MOST_ANSWER_BYTES)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what was under way; the next call connects again, as does what was not sent to a child that leaves."""
        self._transport = None
        if self._is_leaving and not self._under_way:
            self._is_leaving = False
            self._flush()
            return
        self._is_leaving = False
        self._fail_all(Unavailable("the model's process has ended", code="runner_lost", retry_after_s=1))


def _error(text: str) -> FluemanError:
    """Give the error that a child tells; it chooses neither codes of ours nor how much a caller reads."""
    code, _, message = text.partition("\n")
    if code not in _CODES:
        code = "model_failed"
    return _KINDS.get(code, Unavailable)(plain(message) or "the model failed", code=code)
