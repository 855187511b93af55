"""One retry policy for all services: what the database rolled back for no fault of ours is done again, whole.

| trouble | the effect | what is done |
| --- | --- | --- |
| deadlock, serialization failure, lock waited for too long | rolled back | again, up to `GIVE_UP_S` |
| connection lost before COMMIT was sent | rolled back | again on a new one, `MOST_RECONNECTIONS` times |
| connection lost while COMMIT ran | unknown | Unavailable `outcome_unknown`, never done again by itself |
| anything else | rolled back | told as it is |

Only the outermost transaction is done again: inside one, the server has already undone what came before.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from common.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)
_waiting: ContextVar[list[Callable[[], object]] | None] = ContextVar("what waits for the end", default=None)

GIVE_UP_S = 10.0
MOST_RECONNECTIONS = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5

# Source: MariaDB error codes; PostgreSQL 15 manual, appendix A; SQLite result codes.
MYSQL_CONFLICT = {1205, 1213}
MYSQL_LOST = {1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031}
MYSQL_FULL = {1040, 1203, 1226}
POSTGRESQL_CONFLICT = {"40001", "40P01", "55P03"}
POSTGRESQL_LOST = {"57P01", "57P02", "57P03", "57P05", "25P03"}
POSTGRESQL_FULL = {"53300"}
SQLITE_CONFLICT = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Trouble(Enum):
    """What a database error says about trying again."""

    CONFLICT = auto()
    LOST = auto()
    FULL = auto()
    OTHER = auto()


def trouble_of(error: BaseException) -> Trouble:
    """Give the kind of an error of Django's database layer, by the code that the driver's error carries."""
    cause = error.__cause__ or error
    if isinstance(cause, sqlite3.Error):
        return Trouble.CONFLICT if getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITE_CONFLICT else Trouble.OTHER
    if hasattr(cause, "sqlstate"):
        return _of_postgresql(error, cause.sqlstate)
    code = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
    for known, trouble in ((MYSQL_CONFLICT, Trouble.CONFLICT), (MYSQL_LOST, Trouble.LOST), (MYSQL_FULL, Trouble.FULL)):
        if code in known:
            return trouble
    return Trouble.LOST if isinstance(error, InterfaceError) else Trouble.OTHER


def _of_postgresql(error: BaseException, state: str | None) -> Trouble:
    if state is None:  # no answer of the server, so what is left is the way to it
        text = str(error)
        return Trouble.FULL if "too many c" in text or "remaining connection slots" in text else Trouble.LOST
    if state in POSTGRESQL_CONFLICT:
        return Trouble.CONFLICT
    if state in POSTGRESQL_FULL:
        return Trouble.FULL
    return Trouble.LOST if state in POSTGRESQL_LOST or state.startswith("08") else Trouble.OTHER


def transactional(work: Callable[P, T]) -> Callable[P, T]:
    """Run a service in a transaction, again where that is safe; inside another transaction it is a savepoint.

    Rows given as arguments are put back as they were before each further run, so that it sees what the first one saw.
    """

    @wraps(work)
    def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        with _end() as waiting:
            if not connection.in_atomic_block:
                return _retry(partial(work, *args, **kwargs), _Rows((*args, *kwargs.values())), waiting)
            with transaction.atomic():
                return work(*args, **kwargs)

    return whole


def after_the_end(work: Callable[[], object]) -> None:
    """Do something once the outermost service around has ended its transaction, kept or undone; else at once."""
    waiting = _waiting.get()
    if waiting is None or not connection.in_atomic_block:
        work()
    else:
        waiting.append(work)


@contextmanager
def _end() -> Iterator[list[Callable[[], object]]]:
    """Give what waits for the end of the outermost service, and do it there."""
    around = _waiting.get()
    if around is not None:
        yield around
        return
    waiting: list[Callable[[], object]] = []
    token = _waiting.set(waiting)
    try:
        yield waiting
    finally:
        _waiting.reset(token)
        _do_each(waiting)


def _do_each(waiting: Iterable[Callable[[], object]]) -> None:
    """Do each, also behind one that fails; raises the first failure, the further ones stand in the log."""
    failures: list[Exception] = []
    for work in waiting:
        try:
            work()
        except Exception as error:
            failures.append(error)
    for further in failures[1:]:
        log.error("what waited for the end of a transaction failed", exc_info=further)
    if failures:
        raise failures[0]


def _retry(work: Callable[[], T], rows: _Rows, waiting: list[Callable[[], object]]) -> T:
    end, pause_s, lost = time.monotonic() + GIVE_UP_S, FIRST_PAUSE_S, 0
    while True:
        attempt = _Attempt()
        try:
            return attempt.run(work)
        except (DatabaseError, InterfaceError) as error:
            trouble = trouble_of(error)
            if trouble is Trouble.LOST:
                connection.close()
                lost += 1
            if attempt.is_committed or trouble not in (Trouble.CONFLICT, Trouble.LOST):
                raise
            if trouble is Trouble.LOST and attempt.is_committing:
                raise outcome_unknown() from error
            if lost > MOST_RECONNECTIONS or time.monotonic() + pause_s > end:
                raise
            log.info("a transaction is tried again: %s", error)
        rows.put_back()
        waiting.clear()
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads those who met
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


class _Rows:
    """What rows hold, to be put back after a run whose writes were undone."""

    def __init__(self, values: Iterable[object]) -> None:
        self._held = [(row, dict(vars(row)), _copy_of(row)) for row in values if isinstance(row, Model)]

    def put_back(self) -> None:
        """Make each row what it was."""
        for row, values, state in self._held:
            vars(row).clear()
            vars(row).update(values)
            vars(row._state).update(state, fields_cache=dict(state.get("fields_cache", {})))


def _copy_of(row: Model) -> dict[str, Any]:
    state = dict(vars(row._state))
    return {**state, "fields_cache": dict(state.get("fields_cache", {}))}


class _Attempt:
    """One run, and how far it came."""

    is_committing = False
    is_committed = False

    def run(self, work: Callable[[], T]) -> T:
        with transaction.atomic():
            transaction.on_commit(self._committed)  # before those of the service, whose failures are not ours
            result = work()
            self.is_committing = True
        return result

    def _committed(self) -> None:
        self.is_committed = True


def outcome_unknown() -> Unavailable:
    """Give the error that says that an effect may or may not have been kept."""
    return Unavailable(
        str(_("The database went away while it kept this. Look whether it is there before you try again.")),
        code="outcome_unknown",
    )
