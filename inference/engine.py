"""The prediction path behind every door: who, what, where, run, keep, answer (`docs/architecture.md`).

One engine a process, on one event loop: that of the ASGI server, or a thread of its own where there is none.
"""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import uvloop
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from accounts.credentials import Caller, identify
from accounts.models import Session
from accounts.services import touch_keys, touch_sessions
from common.errors import FluemanError, NotAllowed, Unavailable
from files.services import store
from guards import idempotency
from guards.limiter import Limiter
from guards.limits import Standing
from inference.asked import Answer, Ask
from inference.bodies.payload import Inputs, rows_of
from inference.bodies.stored import answer_text, file_of, read_answer
from inference.log.recorder import Claim, Record, Recorder
from inference.log.rows import prediction_rows, request_row
from inference.runners import Runners
from inference.running import Running
from inference.snapshot import Endpoint, Snapshot, Target, refresh
from inference.traffic.watching import Watch
from registry.signature import Signature

if TYPE_CHECKING:
    from inference.asynchronous.worker import Worker

logger = logging.getLogger(__name__)

POLL_S = 0.4
TOUCH_S = 30.0
MAY_BE_NEW = {"unknown_key", "unknown_client", "unknown_signing_key", "ended_session", "unknown_model"}
NOT_KEPT = {"not_recorded", "rate_limited"}  # a call over a limit should cost no write
PREDICT = "inference.predict_deployment"
T = TypeVar("T")
# In place of the version where the answer of a repeat is kept and no version would take the call now.
_NOBODY = Target("", "", 0, Signature((), ()), "", "", "", "")


class Engine:
    """Snapshot, runners and recorder of one process."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recorder: Recorder | None = None
        self._runners = Runners()
        self._used_keys: set[tuple[str, bool]] = set()
        self._used_sessions: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="engine")
        self._limiter = Limiter(self._threads)
        self._watch = Watch(self._runners, self._threads)
        self._running = Running(self._runners, self._watch, self.current)
        self._later: Worker | None = None

    # -- life ----------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin on the running loop. Safe to call again."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder()
        self.snapshot = await self._loop.run_in_executor(self._keeper, refresh, None)
        from inference.asynchronous.worker import Worker  # noqa: PLC0415 - it makes calls of this module

        self._later = Worker(self)
        work = (self._keep_fresh(), self._keep_touching(), self._watch.keep_writing(), self._later.work())
        self._tasks = [self._loop.create_task(one) for one in work]

    async def stop(self) -> None:
        """Write what waits, then end."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        if self._later:
            await self._later.stop()
        await self._watch.write()
        if self._recorder:
            await self._recorder.close()
        self._runners.close()
        await self._runners.wait_closed()
        self._keeper.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on. Raises Unavailable before the start."""
        if self._loop is None:
            raise Unavailable("the engine has not started", retry_after_s=1)
        return self._loop

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Look for changes now; all who ask meanwhile share one look."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self.loop.create_task(self._refresh())
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        new = await self.loop.run_in_executor(self._keeper, refresh, self.snapshot)
        if new is not self.snapshot and new is not None:
            self.snapshot = new
            self._runners.keep(target for endpoint in new.endpoints.values() for target in endpoint.targets)

    async def _keep_touching(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_S)
            keys, self._used_keys = self._used_keys, set()
            sessions, self._used_sessions = self._used_sessions, set()
            if keys or sessions:
                await self.loop.run_in_executor(self._keeper, _touch, keys, sessions)

    # -- one prediction ------------------------------------------------------------------------------------------------
    def current(self) -> Snapshot:
        """Give the snapshot. Raises Unavailable before the first one."""
        if self.snapshot is None:
            raise Unavailable("the database does not answer", retry_after_s=1)
        return self.snapshot

    def endpoint(self, name: str, caller: Caller) -> Endpoint:
        """Give a deployment that the caller may call. Raises NotAllowed or NotFound."""
        if not caller.may(PREDICT):
            raise NotAllowed("this credential may not call deployments; it needs the scope predict")
        caller.demand_model(name)
        return self.current().endpoint(name)

    async def let_in(self, headers: Mapping[bytes, bytes], name: str) -> tuple[Caller, Endpoint]:
        """Give the caller and the deployment. Raises NotAuthenticated, NotAllowed or NotFound.

        What was made a moment ago works at once: before a refusal for being unknown, changes are looked for.
        """
        try:
            caller = identify(headers, self.current().directory)
            return caller, self.endpoint(name, caller)
        except FluemanError as error:
            if error.code not in MAY_BE_NEW:
                raise
        await self.refresh()
        caller = identify(headers, self.current().directory)
        return caller, self.endpoint(name, caller)

    async def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Give the caller. Raises NotAuthenticated; like `let_in` it looks for changes first."""
        try:
            return identify(headers, self.current().directory)
        except FluemanError as error:
            if error.code not in MAY_BE_NEW:
                raise
        await self.refresh()
        return identify(headers, self.current().directory)

    async def predict(self, ask: Ask) -> Answer:
        """Run a call and keep it. Raises a FluemanError; one that reached a version and ends with it is kept, too."""
        if ask.deployment not in self.current().endpoints:
            await self.refresh()
        endpoint = self.endpoint(ask.deployment, ask.caller)
        try:
            target = endpoint.choose(ask.version, ask.sticky)
        except FluemanError as error:
            return await self._repeat(ask, None, error)
        answer, claimed = Answer(ask.id, target), None
        if ask.caller.limit:
            answer.standings += await self.count(ask.caller)
        self._note_use(ask.caller)
        try:
            try:
                answer.inputs = inputs = ask.read(target.signature)
            except FluemanError as error:
                return await self._repeat(ask, answer, error)
            answer.parse_ms = (perf_counter() - ask.received) * 1000
            if ask.idempotency_key:
                held = await self._claim(ask)
                if isinstance(held, idempotency.Replay):
                    return _replayed(answer, held)
                claimed = held
            if ask.caller.rows_limit:
                answer.standings += await self.count_rows(ask.caller, inputs.rows)
            blob = "" if ask.is_small else await self._store_body(ask, inputs, target.signature)
            await self._running.run(endpoint, ask, answer)
            answer.total_ms = (perf_counter() - ask.received) * 1000
            answer.body = ask.render(answer)
            await self._keep(ask, answer, blob, claimed)
            self._watch.copy(endpoint, ask, answer)
            return answer
        except FluemanError as error:
            await self._fail(ask, answer, claimed, error)
            raise

    async def _repeat(self, ask: Ask, answer: Answer | None, error: FluemanError) -> Answer:
        """Give the kept answer of a call that no version takes any more. Raises the error where this repeats none.

        `answer` is `None` where no version was chosen: then the call has not been counted either.
        """
        if not ask.idempotency_key:
            raise error
        if answer is None:
            answer = Answer(ask.id, _NOBODY, standings=await self.count(ask.caller))
        self._note_use(ask.caller)
        held = await self._in_time(ask, lambda: idempotency.look(**_key_of(ask)))
        if held is None:
            raise error
        return _replayed(answer, held)

    def _note_use(self, caller: Caller) -> None:
        if caller.key_id:
            self._used_keys.add((caller.key_id, caller.has_old_secret))
        elif caller.session_id:
            self._used_sessions.add(caller.session_id)

    def waiting_rows(self, deployment: str) -> int:
        """Give how many rows of this process wait or are under way for the versions of a deployment."""
        endpoint = self.current().endpoints.get(deployment)
        return sum(self._runners.rows(target) for target in endpoint.targets) if endpoint else 0

    def ring(self) -> None:
        """Say, from any thread, that an asynchronous prediction waits."""
        if self._later:
            self.loop.call_soon_threadsafe(self._later.ring)

    async def count(self, caller: Caller) -> list[Standing]:
        """Count a call against its caller's limit. Raises TooMany, which leaves no row: it should cost no write."""
        return [await self._limiter.count(caller.identity, caller.limit)] if caller.limit else []

    async def count_rows(self, caller: Caller, rows: int) -> list[Standing]:
        """Count the rows of a call likewise. Raises TooMany, or Invalid where a call may never have so many."""
        limit = caller.rows_limit
        return [await self._limiter.count(f"{caller.identity}:rows", limit, rows)] if limit else []

    async def _claim(self, ask: Ask) -> idempotency.Claimed | idempotency.Replay:
        def work() -> idempotency.Claimed | idempotency.Replay:
            return idempotency.claim(**_key_of(ask), lease_s=settings.INFER_DEADLINE_S + 10)

        return await self._in_time(ask, work)

    async def _store_body(self, ask: Ask, inputs: Inputs, signature: Signature) -> str:
        """Keep a large body as a blob before its row; give its SHA-256."""
        return await self._in_time(ask, lambda: _store(file_of(ask.body, ask.json_length, inputs, signature)))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do what asks the database, off the loop. Raises Unavailable where that does not answer."""
        return await self.loop.run_in_executor(self._threads, _in_thread, work)

    async def _in_time(self, ask: Ask, work: Callable[[], T]) -> T:
        """Do what the database or the store may hold up, off the loop, until the deadline of the call."""
        left_s = ask.begun + settings.INFER_DEADLINE_S - perf_counter()
        try:
            return await asyncio.wait_for(self.loop.run_in_executor(self._threads, _in_thread, work), max(left_s, 0))
        except TimeoutError:
            raise Unavailable("the database does not answer", code="not_recorded", retry_after_s=1) from None

    async def _keep(self, ask: Ask, answer: Answer, blob: str, claimed: idempotency.Claimed | None) -> None:
        assert answer.inputs is not None
        assert self._recorder is not None
        is_batched = answer.target.signature.is_batched
        rows = rows_of(answer.outputs, answer.inputs.rows, is_batched=is_batched, as_arrays=True)
        record = Record(
            request_row(ask, answer, status=200, blob=blob),
            prediction_rows(ask.id, rows),
            Claim(claimed.id, claimed.stored_lease, 200, answer_text(answer.body, answer.json_length))
            if claimed
            else None,
        )
        started = perf_counter()
        is_awaited = settings.RECORD == "committed" or claimed is not None or self._recorder.is_behind
        future = self._recorder.write(record, is_awaited=is_awaited)
        if is_awaited or future.done():  # done: there is no room for one more
            await future
        answer.commit_ms = (perf_counter() - started) * 1000

    async def _fail(self, ask: Ask, answer: Answer, claimed: idempotency.Claimed | None, error: FluemanError) -> None:
        """Free the key of a refused or failed call, and keep the call as well as the database lets us.

        The caller gets the first error either way.
        """
        assert self._recorder is not None
        if claimed is not None:
            await self.loop.run_in_executor(self._threads, _release, claimed)
        if error.code in NOT_KEPT or not ask.keeps(error):
            return
        answer.total_ms = (perf_counter() - ask.received) * 1000
        row = request_row(ask, answer, status=error.status, error=error)
        try:
            await self._recorder.write(Record(row, ()))
        except FluemanError as second:
            logger.warning("a failed call could not be kept: %s", second)


def _key_of(ask: Ask) -> dict[str, str]:
    """Give what tells a call from others as its caller sent it, whoever answers it."""
    return {
        "caller": ask.caller.identity,
        "route": f"predict {ask.door} {ask.deployment}",
        "key": ask.idempotency_key,
        "body_hash": idempotency.fingerprint(ask.body if ask.version is None else _versioned(ask)),
    }


def _replayed(answer: Answer, held: idempotency.Replay) -> Answer:
    answer.body, answer.json_length = read_answer(held.body)
    answer.is_replay = True
    return answer


def _versioned(ask: Ask) -> bytes:
    """Give what tells a call of one version from the same call of another, under one idempotency key."""
    return f"version {ask.version}\0".encode("utf-8", "replace") + ask.body


def _in_thread(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    except DatabaseError as error:
        raise Unavailable("the database does not answer", code="not_recorded", retry_after_s=1) from error


def _store(body: bytes) -> str:
    return store(io.BytesIO(body)).sha256


def _release(claimed: idempotency.Claimed) -> None:
    try:
        close_old_connections()
        idempotency.release(claimed)
    except DatabaseError as error:
        logger.warning("an idempotency claim stays until its lease ends: %s", error)


def _touch(keys: set[tuple[str, bool]], sessions: set[str]) -> None:
    try:
        close_old_connections()
        touch_keys(keys)
        touch_sessions(Session.objects.filter(pk__in=sessions))
    except DatabaseError as error:
        logger.warning("the last use of keys and sessions was not noted: %s", error)


# -- one engine a process ----------------------------------------------------------------------------------------------
_engine: Engine | None = None
_lock = threading.Lock()


def get_engine() -> Engine:
    """Give this process's engine; where no server's loop has started one, on a thread of its own."""
    global _engine  # noqa: PLW0603 - one engine a process
    with _lock:
        if _engine is None or _engine._loop is None:
            _engine = _engine or Engine()
            loop = uvloop.new_event_loop()
            threading.Thread(target=loop.run_forever, name="engine", daemon=True).start()
            asyncio.run_coroutine_threadsafe(_engine.start(), loop).result(30)
        return _engine


async def start_on_this_loop() -> Engine:
    """Start this process's engine on the running loop, as the ASGI server does."""
    global _engine  # noqa: PLW0603 - one engine a process
    if _engine is None:
        _engine = Engine()
    await _engine.start()
    return _engine


def predict_sync(ask: Ask) -> Answer:
    """Run a call from a Django thread. Raises a FluemanError.

    Never inside a transaction: the loop's commit would wait for the lock that this thread holds.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a prediction cannot run inside a transaction")
    engine = get_engine()
    future = asyncio.run_coroutine_threadsafe(engine.predict(ask), engine.loop)
    try:
        return future.result(settings.INFER_DEADLINE_S + 15)
    except TimeoutError as error:
        future.cancel()
        raise Unavailable("the engine does not answer", retry_after_s=1) from error
