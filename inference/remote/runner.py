"""To a version elsewhere: calls of the Open Inference Protocol over a pool of connections, behind a breaker."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Sequence
from time import perf_counter

from common.errors import DeadlineExceeded, FluemanError, Invalid, TooLarge, TooMany, Unavailable
from inference.remote.breaker import Breaker
from inference.remote.client import Body, Client, Reply
from inference.remote.places import Place, Tell
from inference.remote.wire import (
    HEAD_BYTES,
    HEADER_LENGTH,
    NUMBER_BYTES,
    model_path,
    most_answer_bytes,
    read_answer,
    write_call,
)
from inference.runner.frames import Tensor
from inference.transport.answers import Result, most_rows
from inference.transport.calls import MOST_ANSWER_BYTES, Call, Runner, fail, joined, travelling
from registry.signature import Signature

TRIES = 3  # where nothing was sent
PAUSE_S = 0.05
CLOSE_S = 1.0


class RemoteRunner(Runner):
    """A pool of connections to one model elsewhere. `tell` hears when the breaker opens or closes, and why."""

    def __init__(self, place: Place, *, signature: Signature, queue_rows: int, tell: Tell | None = None) -> None:
        super().__init__(signature=signature, queue_rows=queue_rows)
        most_bytes = MOST_ANSWER_BYTES - HEAD_BYTES
        self.most_joined_rows = min(place.most_rows, most_rows(signature, most_bytes, number_bytes=NUMBER_BYTES))
        self._place = place
        self._client = Client(place)
        self._path = model_path(place.model, place.version, verb="infer")
        self._breaker = Breaker()
        self._tell = tell
        self._journeys: set[asyncio.Task[None]] = set()

    def submit(self, tensors: Sequence[Tensor], rows: int, deadline: float) -> asyncio.Future[Result]:
        """Take a call. Raises Unavailable while the breaker is open (breaker_open) or too much waits (queue_full)."""
        wait_s = self._breaker.wait_s(perf_counter())
        if wait_s > 0:
            said = f"{self._place.server} failed several times and is left alone for a moment"
            raise Unavailable(said, code="breaker_open", retry_after_s=math.ceil(wait_s))
        future = super().submit(tensors, rows, deadline)
        self._waiting[-1].mark = travelling.get()
        return future

    def _hang_up(self) -> None:
        for journey in self._journeys:
            journey.cancel()
        closing = self._loop.create_task(self._client.close())
        self._journeys.add(closing)
        closing.add_done_callback(self._journeys.discard)

    async def wait_closed(self) -> None:
        """Wait a moment for the connections to end."""
        if self._journeys:
            await asyncio.wait(self._journeys, timeout=CLOSE_S)

    def _send(self, id: int, calls: list[Call], now: float) -> None:  # noqa: A002
        journey = self._loop.create_task(self._travel(id, calls))
        self._journeys.add(journey)
        journey.add_done_callback(self._journeys.discard)

    async def _travel(self, id: int, calls: list[Call]) -> None:  # noqa: A002
        """Bring the calls there and their answer back; whatever happens ends them."""
        began = perf_counter()
        try:
            content, headers = self._write(calls)
        except Invalid as error:
            self._refuse(id, error, is_about_one=True)
            return
        try:
            reply = await self._call(calls, content, headers)
            if reply.status != 200:
                raise self._client.refusal(reply)
            self._read(id, reply, (perf_counter() - began) * 1000)
            self._note(None)
        except FluemanError as error:
            self._note(error)
            if id in self._under_way:
                is_about_one = isinstance(error, Invalid | TooLarge) or error.code == "model_failed"
                self._refuse(id, error, is_about_one=is_about_one)
        except asyncio.CancelledError:
            fail(calls, Unavailable("the model is being replaced", code="runner_closed", retry_after_s=1))
            raise

    def _write(self, calls: list[Call]) -> tuple[bytes, dict[str, str]]:
        """Give body and headers. Calls that travel together go under the id of their first."""
        request_id, trace_id = calls[0].mark
        body, headers = write_call(
            joined(calls), self._signature, is_binary=self._place.is_binary, request_id=request_id
        )
        return body, headers | _trace(request_id, trace_id)

    async def _call(self, calls: list[Call], content: bytes, headers: dict[str, str]) -> Reply:
        """Give the reply. Tries again only where nothing of the call was given to the network."""
        deadline = min(max(call.deadline for call in calls), perf_counter() + self._place.timeout_s)
        most = most_answer_bytes(self._signature, sum(call.rows for call in calls), MOST_ANSWER_BYTES)
        for left in reversed(range(TRIES)):
            body = Body(content)
            timeout_s = deadline - perf_counter()
            if timeout_s <= 0:
                raise DeadlineExceeded(f"{self._place.server} did not answer in time")
            try:
                return await self._client.post(self._path, body, headers=headers, timeout_s=timeout_s, most_bytes=most)
            except Unavailable as error:
                if body.is_begun or not left or error.code not in ("unreachable", "runner_lost"):
                    raise
            await asyncio.sleep(PAUSE_S)
        raise AssertionError("the last try answers or raises")

    def _read(self, id: int, reply: Reply, run_ms: float) -> None:  # noqa: A002
        """End the calls with what came back. Raises Unavailable (bad_answer) for what is not as signed."""
        if id not in self._under_way:
            return  # the runner was closed meanwhile
        try:
            tensors = read_answer(reply.body, reply.headers.get(HEADER_LENGTH.lower()), self._signature)
            self._answer(id, tensors, 0.0, run_ms)
        except ValueError as error:
            said = self._client.without_secret(f"{self._place.server} answered nonsense: {error}")
            raise Unavailable(said[:500], code="bad_answer") from None

    def _note(self, error: FluemanError | None) -> None:
        """Let the breaker know; a refusal of one call says nothing against the server."""
        now = perf_counter()
        if error is None or isinstance(error, Invalid | TooLarge | TooMany):
            has_changed = self._breaker.succeeded(now)
        else:
            has_changed = self._breaker.failed(now)
        if has_changed and self._tell:
            self._tell(max(0.0, self._breaker.open_until - now), error.message if error else "")


def _trace(request_id: str, trace_id: str) -> dict[str, str]:
    """Give the headers by which logs of both sides can be laid together. Source: W3C Trace Context."""
    if not request_id:
        return {}
    trace = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"} if trace_id else {}
    return {"X-Request-ID": request_id, **trace}
