"""The django-q2 cluster and its guard: what the guard cannot mend it ends, and the supervisor starts it anew."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from django.db import close_old_connections, connections
from django_q.cluster import Cluster
from django_q.conf import Conf

from common.errors import Unavailable
from jobs import handlers, reaper, services
from jobs.models import Job
from jobs.roster import BUSY, GONE, IDLE, Roster, is_alive
from jobs.runner import DATABASE_AWAY, worker_name

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
DRAIN_S = 5.0
SILENCE_S = 25.0


class Guard:
    """The main process of the cluster."""

    def __init__(self) -> None:
        self._roster = Roster()
        self._stop = threading.Event()
        self._cluster = Cluster()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)  # django-q2's own handler waits for ever
        self._quiet_since: float | None = None
        self._is_settled = False
        self._dead: list[int] = []  # kept until the database knows

    def run(self) -> int:
        """Run until a signal comes or something breaks; give the exit code."""
        handlers.every()  # loaded once, before the workers are forked
        connections.close_all()  # a forked connection would be closed by the child
        patience_s, trouble = 0.0, "it did not start"
        try:
            self._cluster.start()
            trouble = self._watch()
            patience_s = 0.0 if trouble else DRAIN_S
        except RuntimeError as error:  # the sentinel has ended: the broker, most likely, does not answer
            logger.critical("the job cluster did not start: %s", error)
        finally:
            self._end(patience_s)  # otherwise Python would wait for the sentinel for ever
        return 1 if trouble else 0

    def _watch(self) -> str:
        """Look once a second; give what broke, or an empty string after a signal."""
        while not self._stop.wait(LOOK_EVERY_S):
            if trouble := self._look():
                logger.critical("the job cluster is ended to be started anew: %s", trouble)
                return trouble
        return ""

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self._stop.set()

    def _look(self) -> str:
        """Do what is due; give what is wrong with the cluster, or an empty string."""
        self._roster.read()
        dead = self._roster.take_dead()
        if not self._cluster.sentinel.is_alive():
            return "its sentinel has died"
        if any(word == IDLE for word in dead.values()):
            return "a process that held a lock has died"
        try:
            close_old_connections()
            return self._tend([pid for pid, word in dead.items() if word != GONE])
        except (Unavailable, *DATABASE_AWAY) as error:
            logger.warning("the guard of the jobs has to wait: %s", error)
            return ""

    def _tend(self, dead: list[int]) -> str:
        if not self._is_settled:
            services.write_built_in_schedules()
            reaper.expire(orphans())
            self._is_settled = True
        self._dead += dead
        if self._dead:
            reaper.expire(self._name(pid) for pid in self._dead)
            self._dead.clear()
        if self._is_silent(reaper.is_work_waiting()):
            return "no worker answers the bell"
        services.fire_due()
        reaper.reap()
        return ""

    def _is_silent(self, is_work_waiting: bool) -> bool:
        """Tell whether jobs have been waiting for long, a worker is free, and none has begun anything since."""
        now, is_one_free = time.monotonic(), self._busy() < Conf.WORKERS
        if not is_work_waiting or not is_one_free or self._quiet_since is None:
            self._quiet_since = now
        self._quiet_since = max(self._quiet_since, self._roster.last_begun)
        return now - self._quiet_since > SILENCE_S

    def _busy(self) -> int:
        return sum(word == BUSY for word in self._roster.states.values())

    def _name(self, pid: int | str = "") -> str:
        return worker_name(pid, self._cluster.sentinel.pid)

    def _end(self, patience_s: float) -> None:
        """Let running jobs end for a while; then kill what is left and give its jobs back."""
        sentinel = self._cluster.sentinel
        if patience_s:  # in a thread, as setting the event waits for the sentinel to wake, which a dead one never does
            threading.Thread(target=self._cluster.stop_event.set, daemon=True).start()
            sentinel.join(patience_s)
        if sentinel.is_alive():
            sentinel.kill()
            sentinel.join()
        self._roster.read()
        for pid in self._roster.states:
            _await_death(pid)
        try:
            close_old_connections()
            count = reaper.give_back(self._name())
            logger.info("the job cluster has ended, %s jobs were given back", count)
        except DATABASE_AWAY as error:
            logger.warning("running jobs could not be given back, their leases will run out: %s", error)


def orphans() -> list[str]:
    """Give the workers of clusters on this host whose guard was killed, and that died with it."""
    host = worker_name(0).partition(":")[0]
    workers = Job.objects.running_on(f"{host}:").values_list("worker", flat=True)
    return [worker for worker in workers if not is_alive(int(worker.split(":")[1]))]


def _await_death(pid: int) -> None:
    """Wait for a process that is being killed with its parent."""
    deadline = time.monotonic() + 2
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
