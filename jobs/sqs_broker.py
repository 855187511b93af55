"""The SQS broker, in a module of its own: boto3 takes long to import."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from django.utils.functional import SimpleLazyObject
from django_q.brokers.aws_sqs import Sqs

from jobs.brokers import Patient


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
