"""Each web process takes turns at the asynchronous predictions, by the same way as every other call.

An attempt runs under an idempotency key made of the row's id. So if a process dies between the commit of a prediction
and the end of its row, the next attempt is given the answer that was kept: there is never a second prediction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import perf_counter, time
from typing import Any, Protocol, TypeVar

import orjson
from django.conf import settings
from django.utils import timezone

from accounts.callers import Caller
from common.errors import FluemanError, NotAllowed
from common.strict_json import loads
from guards.limits import Standing
from inference.asked import Answer, Ask
from inference.asynchronous import services
from inference.bodies import payload
from inference.bodies.friendly import friendly_answer
from inference.models import AsynchronousPrediction, InferenceRequest
from inference.snapshot import Endpoint, Snapshot

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOOK_EVERY_S = 1.0
BUSY_ROWS = 64  # that callers wait for: as long as there are more, ours wait
YIELD_S, MOST_YIELDED_S = 0.02, 3.0
STOP_S = 5.0
# What is not better at the next attempt although it is an error of the server.
FINAL = frozenset({"model_failed", "output_not_finite", "runner_broken"})
# The process died, or was silent: it may have been this call that did it, so that counts as an attempt.
LOST = frozenset({"runner_lost", "remote_lost", "deadline_exceeded"})
NOT_YET = frozenset({"idempotency_in_flight", "idempotency_lost"})
GIVEN_UP = f"the process that ran it died, or did not answer, at {services.MOST_ATTEMPTS} attempts"


class Engine(Protocol):
    """What it needs of the engine."""

    def current(self) -> Snapshot:
        """Give the snapshot."""

    async def refresh(self) -> None:
        """Look for changes."""

    def endpoint(self, name: str, caller: Caller) -> Endpoint:
        """Give a deployment that the caller may call."""

    async def count(self, caller: Caller) -> list[Standing]:
        """Count a call."""

    async def count_rows(self, caller: Caller, rows: int) -> list[Standing]:
        """Count its rows."""

    async def predict(self, ask: Ask) -> Answer:
        """Run a call and keep it."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Ask the database."""

    def waiting_rows(self, deployment: str) -> int:
        """Give how many rows wait for the versions of a deployment."""


class Worker:
    """Takes what is due, some at once. Lives on the engine's loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bell = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        """Say that something has been put in the queue."""
        self._bell.set()

    async def work(self) -> None:
        """Take turns for ever."""
        while True:
            self._bell.clear()
            room = settings.ASYNC_AT_ONCE - len(self._running)
            taken = await self._take(room) if room else []
            for prediction in taken:
                task = asyncio.get_running_loop().create_task(self._one(prediction))
                self._running.add(task)
                task.add_done_callback(self._ended)
            if len(taken) < room or not room:
                await self._wait()

    async def stop(self) -> None:
        """Let what runs come to its end; what does not is taken up by another process."""
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._bell.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):  # wait_for of Python 3.11 may swallow the end of the engine
                await self._bell.wait()
        except TimeoutError:
            return

    async def _take(self, room: int) -> list[AsynchronousPrediction]:
        try:
            return await self._engine.in_thread(partial(services.take, most=room))
        except FluemanError as error:
            logger.warning("asynchronous predictions wait: %s", error)
            return []

    async def _one(self, prediction: AsynchronousPrediction) -> None:
        """Make one attempt and write how it ended; where the database is away, its lease tells another process."""
        try:
            end = await self._attempt(prediction)
            await self._engine.in_thread(end)
        except FluemanError as error:
            logger.warning("asynchronous prediction %s is tried again later: %s", prediction.pk, error)

    async def _attempt(self, prediction: AsynchronousPrediction) -> Callable[[], bool]:
        if prediction.attempts > services.MOST_ATTEMPTS:
            return partial(services.fail, prediction=prediction, code="given_up", message=GIVEN_UP)
        ends = partial(_ends, prediction.attempts, timezone.now() >= prediction.deadline_at)
        try:
            answer = await self._engine.predict(await self._ask(prediction, ends))
        except FluemanError as error:
            told: dict[str, Any] = {"prediction": prediction, "code": error.code, "message": error.message}
            if not ends(error):
                return partial(services.put_back, **told, is_attempt=error.code in LOST)
            if _is_given_up(prediction.attempts, error):
                told |= {"code": "given_up", "message": GIVEN_UP}
            return partial(services.fail, **told)
        body = bytes(answer.body)
        request_id = orjson.loads(body)["request_id"]
        return partial(services.succeed, prediction=prediction, body=body.decode(), request_id=request_id)

    async def _ask(self, prediction: AsynchronousPrediction, ends: Callable[[FluemanError], bool]) -> Ask:
        caller = self._caller(prediction)
        if caller is None:
            await self._engine.refresh()  # what was made a moment ago works at once
            caller = self._caller(prediction)
        if caller is None:
            raise NotAllowed("the credential of this call has ended", code="caller_ended")
        body = await self._engine.in_thread(partial(services.read_body, prediction))
        yield_until = perf_counter() + MOST_YIELDED_S
        while self._engine.waiting_rows(prediction.deployment) > BUSY_ROWS and perf_counter() < yield_until:
            await asyncio.sleep(YIELD_S)
        key = f"async {prediction.pk.hex}"
        ask = ask_of(prediction.deployment, caller, body, idempotency_key=key, address=prediction.address)
        return replace(ask, keeps=ends)

    def _caller(self, prediction: AsynchronousPrediction) -> Caller | None:
        """Give who called, as they stand now; `None` if their key has ended meanwhile: it has no calls run."""
        directory = self._engine.current().directory
        if prediction.key_id:
            facts = directory.key(prediction.key_prefix)
            is_same = facts is not None and facts.caller.key_id == prediction.key_id.hex and facts.expires_at > time()
            caller = facts.caller if facts and is_same else None
        else:
            caller = directory.user(prediction.user_id)
        return caller and replace(caller, limit=None, rows_limit=None)  # it was counted when it was accepted


def _ends(attempts: int, is_late: bool, error: FluemanError) -> bool:
    """Whether a failure is the last: else the prediction is put back, and runs again."""
    is_passing = error.code in NOT_YET or (error.status >= 500 and error.code not in FINAL)
    return is_late or not is_passing or _is_given_up(attempts, error)


def _is_given_up(attempts: int, error: FluemanError) -> bool:
    return error.code in LOST and attempts >= services.MOST_ATTEMPTS


async def admit(engine: Engine, ask: Ask) -> list[Standing]:
    """Judge and count a call that is to run later; give what is left to the caller. Raises what running it would."""
    if ask.deployment not in engine.current().endpoints:
        await engine.refresh()
    target = engine.endpoint(ask.deployment, ask.caller).choose(ask.version)
    rows = ask.read(target.signature).rows
    return [*await engine.count(ask.caller), *await engine.count_rows(ask.caller, rows)]


def ask_of(deployment: str, caller: Caller, body: bytes, *, idempotency_key: str = "", address: str = "") -> Ask:
    """Give the call that a body of the friendly door stands for."""
    return Ask(
        deployment=deployment,
        caller=caller,
        door=InferenceRequest.Door.ASYNC.value,
        body=body,
        received=perf_counter(),
        read=lambda signature: payload.read_friendly(loads(body), signature),
        render=partial(friendly_answer, deployment),
        idempotency_key=idempotency_key,
        address=address,
    )
