"""The bell that wakes a worker: a message without content in the database, in Redis or in SQS.

It may be lost or doubled: whoever hears it takes the waiting job whose turn it is, or finds none. While the queue does
not answer nobody waits for it for long, and the worker looks at the rows itself.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from importlib import import_module

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers import Broker, get_broker
from django_q.signing import SignedPackage

from common.errors import Unavailable

logger = logging.getLogger(__name__)

ASK_AGAIN_S = 3.0  # a queue that did not answer is left alone for so long: each try may cost seconds
_own = threading.local()
_away_until = 0.0


def ring() -> None:
    """Ring once.

    The database broker is an outbox: its bell is committed or rolled back with the job. Any other broker is rung after
    the commit, and the reaper rings again for a bell that was lost.
    """
    if "orm" in settings.Q_CLUSTER:
        _broker().enqueue(message())
    else:
        transaction.on_commit(_ring, robust=True)  # no partial: Django would name it in its log, and fail


def is_silent() -> bool:
    """Tell whether no bell is waiting to be heard. Raises Unavailable if the broker does not answer."""
    if is_away():
        raise Unavailable("the queue does not answer")
    try:
        return not _broker().queue_size()
    except gone() as error:
        keep_away(error)
        raise Unavailable(f"the queue does not answer: {error}") from error


def gone() -> tuple[type[Exception], ...]:
    """Give what the queue raises when it does not answer; only a process that has such a queue imports its client."""
    if "sqs" in settings.Q_CLUSTER:
        trouble = import_module("botocore.exceptions")
        return OSError, trouble.BotoCoreError, trouble.ClientError
    return (OSError, import_module("redis").RedisError) if "redis" in settings.Q_CLUSTER else (OSError,)


def is_away() -> bool:
    """Tell whether the queue has just not answered this process."""
    return time.monotonic() < _away_until


def keep_away(error: Exception) -> None:
    """Let nobody in this process wait for the queue for a while."""
    global _away_until  # noqa: PLW0603 - what one thread has learnt spares the others the waiting
    _away_until = time.monotonic() + ASK_AGAIN_S
    logger.warning("the queue does not answer, the worker looks at the rows: %s", error)


def message() -> str:
    """Give a bell as django-q2 reads it."""
    call = {"func": "jobs.tasks.run", "args": (), "kwargs": {}, "started": timezone.now()}
    terms = {"save": False, "timeout": -1, "ack_failure": True}
    packed: str = SignedPackage.dumps({"id": uuid.uuid4().hex, "name": "bell", **call, **terms})
    return packed


def _ring() -> None:
    if is_away():
        return
    try:
        _broker().enqueue(message())
    except gone() as error:
        keep_away(error)


def _broker() -> Broker:
    """Give this thread's broker."""
    if not hasattr(_own, "broker"):
        _own.broker = get_broker()
    return _own.broker
