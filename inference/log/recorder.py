"""Writes requests and predictions before their answers leave: all that waits, in one transaction, at once.

Plain SQL: this is the one place where the ORM costs more than it gives. The columns are those of `inference/models`;
a test holds the two together.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from common.errors import Conflict, FluemanError, Unavailable

logger = logging.getLogger(__name__)

REQUEST_COLUMNS = (
    "id", "created_at", "deployment", "model", "version", "version_id", "user_id", "key_id", "caller", "door", "status",
    "error_code", "error", "rows", "latency_ms", "queue_ms", "run_ms", "input", "input_blob", "client_request_id",
    "trace_id", "address", "executions",
)  # fmt: skip
_BLOB = REQUEST_COLUMNS.index("input_blob")
_INPUT = REQUEST_COLUMNS.index("input")
PREDICTION_COLUMNS = ("id", "request_id", "row", "output", "label", "score")
LOOP_LOCK_WAIT_S = 0.02
LATER_S = 0.02  # for which records that nobody waits for are gathered
GIVE_UP_S = 5.0
CHECKPOINT_PAGES = 16_000  # 64 MB: the loop itself checkpoints only what the thread has not kept up with
CHECKPOINT_EVERY_S = 1.0
CHECKPOINT_BYTES = 2 << 20  # then the thread does not wait for the second: a commit waits while the disk takes it all
ROW_BYTES = 4096  # what a call writes beside its input, about
MOST_WAITING = 4096
MOST_WAITING_CHARACTERS = 128 << 20
MOST_AHEAD = 1024  # records that nobody waits for; from then on callers wait, or the writing never catches up


class Claim(NamedTuple):
    """What completes an idempotency record: only while `lease_until` still stands is it ours to complete."""

    id: str
    lease_until: str
    status: int
    body: str


@dataclass(slots=True, eq=False)
class Record:
    """One request and its predictions on their way into the database."""

    request: tuple[Any, ...]
    predictions: Sequence[tuple[Any, ...]]
    claim: Claim | None = None
    future: asyncio.Future[None] | None = field(default=None)


Failures = dict[Record, FluemanError]


def insert_sql(table: str, columns: Sequence[str], mark: str, quote: str) -> str:
    """Give the INSERT of a table."""
    names = ", ".join(f"{quote}{column}{quote}" for column in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608 - our own names


def claim_sql(mark: str) -> str:
    """Give the UPDATE that completes an idempotency record."""
    return (
        f"UPDATE guards_idempotencyrecord SET status = {mark}, body = {mark} "  # noqa: S608 - our own names
        f"WHERE id = {mark} AND lease_until = {mark} AND status IS NULL"
    )


def hold_sql(mark: str, quote: str) -> str:
    """Give the UPDATE that counts a request among those that need its blob."""
    count = f"{quote}references{quote}"
    return f"UPDATE files_blob SET {count} = {count} + 1 WHERE sha256 = {mark}"  # noqa: S608 - our own names


def _held(records: Sequence[Record]) -> list[tuple[str]]:
    """Give the blobs that requests need, in an order in which no two transactions wait for each other."""
    return sorted((record.request[_BLOB],) for record in records if record.request[_BLOB])


class SqliteLoopWriter:
    """Commits on the event loop: for SQLite a hand-over to a thread costs more than the commit itself."""

    _REQUEST = insert_sql("requests", REQUEST_COLUMNS, "?", '"')
    _PREDICTION = insert_sql("predictions", PREDICTION_COLUMNS, "?", '"')
    _CLAIM = claim_sql("?")
    _HOLD = hold_sql("?", '"')

    def __init__(self, path: str, lock_wait_s: float) -> None:
        self._path, self._lock_wait_s = path, lock_wait_s
        self._connection: sqlite3.Connection | None = None

    def write(self, records: Sequence[Record]) -> Failures:
        """Commit the records, give those whose claim was lost. Raises sqlite3.OperationalError while locked."""
        database = self._connection or self._open()
        execute = database.execute
        execute("BEGIN IMMEDIATE")
        try:
            lost = [r for r in records if r.claim and execute(self._CLAIM, _claim_values(r.claim)).rowcount != 1]
            kept = [record for record in records if record not in lost] if lost else records
            if held := _held(kept):
                database.executemany(self._HOLD, held)
            database.executemany(self._REQUEST, [record.request for record in kept])
            database.executemany(self._PREDICTION, [row for record in kept for row in record.predictions])
            execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                execute("ROLLBACK")
            raise
        return dict.fromkeys(lost, _taken_over())

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=self._lock_wait_s, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._connection = database
        return database

    def checkpoint(self) -> None:
        """Copy committed pages into the database file as far as that waits for nobody. Not for the event loop."""
        try:
            (self._connection or self._open()).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            logger.info("the checkpoint is left for later: %s", error)
            self.close()

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        if self._connection:
            self._connection.close()
            self._connection = None


class DjangoWriter:
    """Commits through Django's connection of the calling thread: for databases across a socket."""

    def __init__(self) -> None:
        quote = connection.ops.quote_name("x")[0]
        self._request = insert_sql("requests", REQUEST_COLUMNS, "%s", quote)
        self._prediction = insert_sql("predictions", PREDICTION_COLUMNS, "%s", quote)
        self._claim = claim_sql("%s")
        self._hold = hold_sql("%s", quote)

    def write(self, records: Sequence[Record]) -> Failures:
        """Commit the records, give those whose claim was lost. Raises OperationalError if the database is gone."""
        with transaction.atomic(), connection.cursor() as cursor:
            lost = []
            for record in records:
                if record.claim:
                    cursor.execute(self._claim, _claim_values(record.claim))
                    if cursor.rowcount != 1:
                        lost.append(record)
            kept = [record for record in records if record not in lost]
            if held := _held(kept):
                cursor.executemany(self._hold, held)
            cursor.executemany(self._request, [record.request for record in kept])
            cursor.executemany(self._prediction, [row for record in kept for row in record.predictions])
        return dict.fromkeys(lost, _taken_over())

    def has(self, record: Record) -> bool:
        """Whether a record is in the database: after a connection was lost, the commit may have come through."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM requests WHERE id = %s", [record.request[0]])
            return cursor.fetchone() is not None

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        connection.close()


class Recorder:
    """The group commit of one process. Lives on one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Record] = []
        self._waiting_characters = 0
        self._uncopied_bytes = 0
        self._is_awaited = False  # whether somebody waits for one of those that wait
        self._flush_timer: asyncio.Handle | None = None
        self._is_thread_busy = False
        self._is_closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._loop_writer: SqliteLoopWriter | None = None
        self._is_checkpointing = False
        self._checkpoint_timer: asyncio.TimerHandle | None = None
        if connection.vendor == "sqlite":
            path = str(connection.settings_dict["NAME"])
            self._loop_writer = SqliteLoopWriter(path, LOOP_LOCK_WAIT_S)
            thread = _SqliteThread(path)
            self._thread_write: Callable[[Sequence[Record]], Failures] = thread.write
            self._checkpoint = thread.checkpoint
        else:
            self._thread_write = _DjangoThread().write

    def write(self, record: Record, *, is_awaited: bool = True) -> asyncio.Future[None]:
        """Take a record; the future ends after its commit, or with Unavailable if it could not be kept.

        What nobody waits for is gathered for `LATER_S`.
        """
        record.future = future = self._loop.create_future()
        if len(self._waiting) >= MOST_WAITING or self._waiting_characters > MOST_WAITING_CHARACTERS:
            future.set_exception(_unrecorded("too many records wait"))
            return future
        self._waiting.append(record)
        self._waiting_characters += len(record.request[_INPUT])
        if is_awaited and not self._is_awaited:
            self._is_awaited = True
            self._cancel_flush()
        self._plan_flush()
        return future

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that callers should wait as well."""
        return len(self._waiting) >= MOST_AHEAD or self._waiting_characters > MOST_WAITING_CHARACTERS // 4

    def _plan_flush(self) -> None:
        if not self._waiting or self._is_thread_busy or self._flush_timer is not None:
            return
        if self._is_awaited:
            self._flush_timer = self._loop.call_soon(self._flush)
        else:
            self._flush_timer = self._loop.call_later(LATER_S, self._flush)

    def _cancel_flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None

    async def close(self) -> None:
        """Write what waits and end."""
        self._is_closing = True
        while self._waiting or self._is_thread_busy:
            await asyncio.sleep(0.01)
        self._thread.shutdown(wait=True)
        if self._loop_writer:
            self._loop_writer.close()

    def _flush(self) -> None:
        self._flush_timer = None
        records, self._waiting = self._waiting, []
        self._is_awaited = False
        characters, self._waiting_characters = self._waiting_characters, 0
        if not records:
            return
        if self._loop_writer is not None:
            try:
                _settle(records, self._loop_writer.write(records))
                return
            except sqlite3.Error as error:
                logger.info("the loop could not commit, a thread tries on: %s", error)
                self._loop_writer.close()
            finally:
                self._plan_checkpoint(characters + ROW_BYTES * len(records))
        self._is_thread_busy = True
        work = self._loop.run_in_executor(self._thread, self._thread_write, records)
        work.add_done_callback(lambda done: self._thread_done(records, done))

    def _plan_checkpoint(self, size_bytes: int) -> None:
        self._uncopied_bytes += size_bytes
        if self._is_checkpointing:
            return
        if self._uncopied_bytes > CHECKPOINT_BYTES:
            self._begin_checkpoint()
        elif self._checkpoint_timer is None:
            self._checkpoint_timer = self._loop.call_later(CHECKPOINT_EVERY_S, self._begin_checkpoint)

    def _begin_checkpoint(self) -> None:
        if self._checkpoint_timer is not None:
            self._checkpoint_timer.cancel()
            self._checkpoint_timer = None
        self._uncopied_bytes = 0
        if not self._is_closing:
            self._is_checkpointing = True
            self._loop.run_in_executor(self._thread, self._checkpoint).add_done_callback(self._end_checkpoint)

    def _end_checkpoint(self, _done: asyncio.Future[None]) -> None:
        self._is_checkpointing = False

    def _thread_done(self, records: list[Record], done: asyncio.Future[Failures]) -> None:
        self._is_thread_busy = False
        error = done.exception()
        if error is None:
            _settle(records, done.result())
        else:
            logger.error("requests could not be recorded: %s", error)
            _settle(records, dict.fromkeys(records, _unrecorded("the database did not take the record")))
        self._plan_flush()


class _SqliteThread:
    """Waits longer for SQLite's write lock than the loop may."""

    def __init__(self, path: str) -> None:
        self._writer = SqliteLoopWriter(path, GIVE_UP_S)
        self.checkpoint = self._writer.checkpoint

    def write(self, records: Sequence[Record]) -> Failures:
        """Commit. Raises sqlite3.OperationalError after `GIVE_UP_S`."""
        try:
            return self._writer.write(records)
        except sqlite3.OperationalError:
            self._writer.close()
            raise
        except sqlite3.Error as error:
            self._writer.close()
            return _each_alone(self.write, records, error)


class _DjangoThread:
    """Tries again over deadlocks and lost connections until `GIVE_UP_S` have passed."""

    def __init__(self) -> None:
        self._writer = DjangoWriter()

    def write(self, records: Sequence[Record]) -> Failures:
        """Commit. Raises OperationalError or InterfaceError after `GIVE_UP_S`."""
        end, pause_s, is_retry = time.monotonic() + GIVE_UP_S, 0.05, False
        while True:
            try:
                if is_retry and self._writer.has(records[0]):
                    return {}
                return self._writer.write(records)
            except (OperationalError, InterfaceError) as error:
                self._writer.close()
                if time.monotonic() + pause_s > end:
                    raise
                logger.warning("the record is tried again: %s", error)
                time.sleep(pause_s)
                pause_s, is_retry = min(pause_s * 2, 1.0), True
            except DatabaseError as error:
                self._writer.close()
                return _each_alone(self.write, records, error)


def _each_alone(write: Callable[[Sequence[Record]], Failures], records: Sequence[Record], error: Exception) -> Failures:
    """Commit record by record, so that one the database refuses does not fail those that came with it."""
    if len(records) == 1:
        logger.error("the database refuses a record: %s", error)
        return {records[0]: _unrecorded("the database refuses the record")}
    return {record: failure for each in records for record, failure in write([each]).items()}


def _claim_values(claim: Claim) -> tuple[Any, ...]:
    return (claim.status, claim.body, claim.id, claim.lease_until)


def _settle(records: Sequence[Record], failures: Failures) -> None:
    for record in records:
        future = record.future
        if future is None or future.done():
            continue
        if failure := failures.get(record):
            future.set_exception(failure)
        else:
            future.set_result(None)


def _taken_over() -> FluemanError:
    return Conflict("another call took this idempotency key over", code="idempotency_lost", retry_after_s=1)


def _unrecorded(message: str) -> Unavailable:
    return Unavailable(message, code="not_recorded", retry_after_s=1)
