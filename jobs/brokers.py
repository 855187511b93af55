"""django-q2's brokers with bounded patience: the cluster starts, works and stops while its queue is away."""

from __future__ import annotations

import time
from typing import Any

from django.db import close_old_connections
from django_q.brokers import Broker
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
            except bell.gone() as error:
                bell.keep_away(error)
        time.sleep(LOOK_EVERY_S)
        close_old_connections()
        waiting = Job.objects.due()[: Conf.WORKERS]
        return [(None, bell.message()) for _ in waiting.values_list("pk")]

    def acknowledge(self, task_id: str) -> None:
        """Take a bell out of the queue; one that cannot be taken out is heard again, to no effect."""
        try:
            super().acknowledge(task_id)
        except bell.gone() as error:
            bell.keep_away(error)


class OrmBell(Patient, ORM):
    """The database."""
