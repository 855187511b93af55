"""django-q2's brokers with bounded patience: the cluster starts, works and stops while its queue is away."""

from __future__ import annotations

import time
from typing import Any

from botocore.config import Config
from django.db import close_old_connections
from django.utils.functional import SimpleLazyObject
from django_q.brokers import Broker
from django_q.brokers.aws_sqs import Sqs
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from jobs import bell
from jobs.models import Job

LOOK_EVERY_S = 0.5


class Patient(Broker):
    """What is common to queues that may be away."""

    def ping(self) -> bool:
        """Let the cluster start without the queue."""
        return True

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Keep none: nobody reads them, and an orderly end must not wait for them."""

    def dequeue(self) -> Any:
        """Give the next bells, of the rows' own making while the queue is away."""
        if not bell.is_away():
            try:
                return super().dequeue()
            except bell.GONE as error:
                bell.keep_away(error)
        time.sleep(LOOK_EVERY_S)
        close_old_connections()
        waiting = Job.objects.due()[: Conf.WORKERS]
        return [(None, bell.message()) for _ in waiting.values_list("pk")]

    def acknowledge(self, task_id: str) -> None:
        """Take a bell out of the queue; one that cannot be taken out is heard again, to no effect."""
        try:
            super().acknowledge(task_id)
        except bell.GONE as error:
            bell.keep_away(error)


class OrmBell(Patient, ORM):
    """The database."""


class SqsBell(Patient, Sqs):
    """SQS, asked for the queue's address when it is needed, not with a minute's time-out when the process starts."""

    def get_queue(self) -> Any:
        """Give the queue, made if there is none, as soon as somebody uses it."""
        patience = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        self.sqs = self.connection.resource("sqs", config=patience)
        return SimpleLazyObject(self._find_queue)

    def queue_size(self) -> int:
        """Give how many bells wait now: boto3 keeps the first answer for good."""
        self.queue.load()
        size: int = super().queue_size()
        return size

    def _find_queue(self) -> Any:
        try:
            return self.sqs.get_queue_by_name(QueueName=self.list_key)
        except self.sqs.meta.client.exceptions.QueueDoesNotExist:
            return self.sqs.create_queue(QueueName=self.list_key)
