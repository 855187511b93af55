"""The bell that wakes a worker: a message without content in the database, in Redis or in SQS.

It may be lost or doubled: whoever hears it takes the waiting job whose turn it is, or finds none.
"""

from __future__ import annotations

import threading
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db import transaction
from django_q.brokers import Broker, get_broker
from django_q.brokers.aws_sqs import Sqs
from django_q.tasks import async_task

from common.errors import Unavailable

GONE: tuple[type[Exception], ...] = (OSError, BotoCoreError, ClientError)
if find_spec("redis"):  # the embedded set is without it
    GONE += (import_module("redis").RedisError,)
_own = threading.local()


class SqsBell(Sqs):
    """django-q2's broker with bounded patience; its own asks for the queue's address with a minute's time-out."""

    def get_queue(self) -> Any:
        """Give the queue, made if there is none."""
        patience = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        self.sqs = self.connection.resource("sqs", config=patience)
        try:
            return self.sqs.get_queue_by_name(QueueName=self.list_key)
        except self.sqs.meta.client.exceptions.QueueDoesNotExist:
            return self.sqs.create_queue(QueueName=self.list_key)


def ring() -> None:
    """Ring once.

    The database broker is an outbox: its bell is committed or rolled back with the job. Any other broker is rung after
    the commit, and the reaper rings again for a bell that was lost.
    """
    if "orm" in settings.Q_CLUSTER:
        _ring()
    else:
        transaction.on_commit(partial(_ring), robust=True)


def is_silent() -> bool:
    """Tell whether no bell is waiting to be heard. Raises Unavailable if the broker does not answer."""
    try:
        return not _broker().queue_size()
    except GONE as error:
        raise Unavailable(f"the queue does not answer: {error}") from error


def _ring() -> None:
    async_task("jobs.tasks.run", q_options={"save": False, "timeout": -1, "broker": _broker()})


def _broker() -> Broker:
    """Give this thread's broker: making one costs SQS two calls."""
    if not hasattr(_own, "broker"):
        _own.broker = get_broker()
    return _own.broker
