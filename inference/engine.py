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
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import uvloop
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from accounts.credentials import Caller, identify
from accounts.models import Session
from accounts.services import touch_keys, touch_sessions
from common.errors import FluemanError, NotAllowed, Unavailable
from common.ids import uuid7_int
from files.services import store
from guards import idempotency
from guards.limiter import Limiter
from guards.limits import Limit
from guards.services import too_many
from inference.payload import Inputs, rows_of
from inference.recorder import Claim, Record, Recorder
from inference.rows import prediction_row, request_row
from inference.runners import Runners
from inference.snapshot import Endpoint, Snapshot, Target, refresh
from inference.transport import Output, Result, is_finite
from registry.signature import Signature, TensorSpec

logger = logging.getLogger(__name__)

POLL_S = 0.4
TOUCH_S = 30.0
MAY_BE_NEW = {"unknown_key", "unknown_client", "unknown_signing_key", "ended_session", "unknown_model"}
PREDICT = "inference.predict_deployment"


@dataclass(slots=True)
class Ask:
    """One call as a door took it. `received` is a reading of `perf_counter`; `read` parses the body by a signature."""

    deployment: str
    caller: Caller
    door: str
    body: bytes
    received: float
    read: Callable[[Signature], Inputs]
    render: Callable[[Answer], bytes]
    version: str | None = None
    idempotency_key: str = ""
    trace_id: str = ""
    client_id: str = ""
    address: str = ""
    id: str = field(default_factory=lambda: f"{uuid7_int():032x}")


@dataclass(slots=True)
class Answer:
    """What a call got: the rendered body, and what it was made of. A replay has a body only."""

    request_id: str
    target: Target
    body: bytes = b""
    inputs: Inputs | None = None
    outputs: list[tuple[TensorSpec, Output]] = field(default_factory=list)
    parse_ms: float = 0.0
    queue_ms: float = 0.0
    run_ms: float = 0.0
    commit_ms: float = 0.0
    total_ms: float = 0.0
    is_replay: bool = False


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

    # -- life ----------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin on the running loop. Safe to call again."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder()
        self.snapshot = await self._loop.run_in_executor(self._keeper, refresh, None)
        self._tasks = [self._loop.create_task(self._keep_fresh()), self._loop.create_task(self._keep_touching())]

    async def stop(self) -> None:
        """Write what waits, then end."""
        for task in self._tasks:
            task.cancel()
        if self._recorder:
            await self._recorder.close()
        self._runners.close()
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
        if not caller.may_call(name):
            raise NotAllowed("this key may not call that deployment")
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

    async def predict(self, ask: Ask) -> Answer:
        """Run a call and keep it. Raises a FluemanError; a call that reached a version is kept then, too."""
        if ask.deployment not in self.current().endpoints:
            await self.refresh()
        target = self.endpoint(ask.deployment, ask.caller).choose(ask.version)
        if ask.caller.limit:
            await self._count(ask.caller, ask.caller.limit)
        if ask.caller.key_id:
            self._used_keys.add((ask.caller.key_id, ask.caller.has_old_secret))
        elif ask.caller.session_id:
            self._used_sessions.add(ask.caller.session_id)
        answer, claimed = Answer(ask.id, target), None
        try:
            answer.inputs = inputs = ask.read(target.signature)
            answer.parse_ms = (perf_counter() - ask.received) * 1000
            if ask.idempotency_key:
                held = await self._claim(ask)
                if isinstance(held, idempotency.Replay):
                    return Answer(ask.id, target, held.body.encode(), is_replay=True)
                claimed = held
            blob = await self._store_body(ask)
            runner = self._runners.get(target)
            result = await runner.submit(inputs.tensors, inputs.rows, ask.received + settings.INFER_DEADLINE_S)
            _fill(answer, result, target.signature)
            answer.total_ms = (perf_counter() - ask.received) * 1000
            answer.body = ask.render(answer)
            await self._keep(ask, answer, blob, claimed)
            return answer
        except FluemanError as error:
            if claimed is not None:
                await self.loop.run_in_executor(self._threads, _release, claimed)
            if error.code != "not_recorded":
                await self._keep_failure(ask, target, answer, error)
            raise

    async def _count(self, caller: Caller, limit: Limit) -> None:
        """Count a call against its caller's limit. Raises TooMany, which leaves no row: it should cost no write."""
        wait_s = await self._limiter.try_take(caller.identity, limit)
        if wait_s is not None:
            raise too_many(limit, wait_s)

    async def _claim(self, ask: Ask) -> idempotency.Claimed | idempotency.Replay:
        def work() -> idempotency.Claimed | idempotency.Replay:
            return idempotency.claim(
                caller=ask.caller.identity,
                route=f"predict {ask.door} {ask.deployment}",
                key=ask.idempotency_key,
                body_hash=idempotency.fingerprint(ask.body),
                lease_s=settings.INFER_DEADLINE_S + 10,
            )

        return await self._in_time(ask, work)

    async def _store_body(self, ask: Ask) -> str:
        """Keep a large body as a blob before its row; give its SHA-256, or nothing for a small one."""
        if len(ask.body) <= settings.INLINE_INPUT_BYTES:
            return ""
        return await self._in_time(ask, lambda: _store(ask.body))

    async def _in_time(self, ask: Ask, work: Callable[[], Any]) -> Any:
        """Do what the database or the store may hold up, off the loop, until the deadline of the call."""
        left_s = ask.received + settings.INFER_DEADLINE_S - perf_counter()
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
            [prediction_row(ask.id, n, row) for n, row in enumerate(rows)],
            Claim(claimed.id, claimed.stored_lease, 200, answer.body.decode()) if claimed else None,
        )
        started = perf_counter()
        future = self._recorder.write(record)
        if settings.RECORD == "committed" or claimed:
            await future
        answer.commit_ms = (perf_counter() - started) * 1000

    async def _keep_failure(self, ask: Ask, target: Target, answer: Answer, error: FluemanError) -> None:
        """Keep a refused or failed call as well as the database lets us; the caller gets the first error either way."""
        assert self._recorder is not None
        answer.total_ms = (perf_counter() - ask.received) * 1000
        row = request_row(ask, answer, status=error.status, error=error)
        try:
            await self._recorder.write(Record(row, ()))
        except FluemanError as second:
            logger.warning("a failed call could not be kept: %s", second)


def _fill(answer: Answer, result: Result, signature: Signature) -> None:
    answer.queue_ms, answer.run_ms = result.queue_ms, result.run_ms
    answer.outputs = list(zip(signature.outputs, result.outputs, strict=True))
    for spec, output in answer.outputs:
        if not is_finite(output):
            raise Unavailable(f"the model gave a number that is not finite in '{spec.name}'", code="output_not_finite")


def _in_thread(work: Callable[[], Any]) -> Any:
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
