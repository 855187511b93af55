"""Many jobs, and a hand that kills what works at them: who ended how, and how many effects each has had."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection
from django.db.models import Count, Max

from jobs.models import Job, JobLog
from tests.faults.jobs.brokers import Broker
from tests.jobs.cluster import ROOT, Cluster, children

SCRIPT = """
import sys, time, django
django.setup()
from django.db import transaction
from jobs import bell, services
from jobs.models import Job
what, count, most_waiting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for start in range(0, count, 50):
    while what == "jobs" and most_waiting and Job.objects.unfinished().count() > most_waiting:
        time.sleep(0.1)
    with transaction.atomic():
        for _ in range(min(50, count - start)):
            if what == "jobs":
                services.enqueue(kind="work.effect", payload={}, max_attempts=20)
            else:
                bell.ring()
"""


@dataclass
class Account:
    """What came of it."""

    broker: str
    jobs: int
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    without_effect: int = 0
    doubled: int = 0
    most_attempts: int = 0

    def line(self) -> str:
        """Give one line of the table."""
        kills = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))
        ends = ", ".join(f"{count} {state}" for state, count in self.ended.items())
        return (
            f"| {connection.vendor} | {self.broker} | {self.jobs:,} | {kills} | {self.seconds:.0f} s | {ends} "
            f"| {self.without_effect} | {self.doubled} | {self.most_attempts} |"
        )


class Storm:
    """Runs `count` jobs through a broker while, after pauses between these, something is killed."""

    def __init__(
        self, broker: Broker, folder: Path, count: int, *, pauses_s: tuple[float, float], seed: int = 7
    ) -> None:
        self.broker, self.count, self.pauses_s = broker, count, pauses_s
        self.cluster = Cluster(folder)
        self.account = Account(broker.kind, count)
        self._chance = random.Random(7)

    def run(self, limit_s: float) -> Account:
        """Go through with it from the first job to the last; they come while the cluster works, as in life."""
        self.begin()
        filling = self.tell("jobs", self.count)
        try:
            account = self.run_out(limit_s, filling)
            assert filling.returncode == 0
            return account
        finally:
            filling.kill()
            filling.wait()
            self.end()

    def run_out(self, limit_s: float, filling: subprocess.Popen[bytes] | None = None) -> Account:
        """Hurt until all jobs have come and ended; the cluster is brought back as the supervisor would."""
        begun = time.monotonic()
        next_at = begun + self.pauses_s[0]
        while (filling and filling.poll() is None) or Job.objects.unfinished().filter(kind="work.effect").exists():
            assert time.monotonic() - begun < limit_s, f"not over after {limit_s} s: {self.tally()}"
            if self.cluster.process and self.cluster.process.poll() is not None:
                self.begin()
            if time.monotonic() >= next_at:
                self.hurt()
                next_at = time.monotonic() + self._chance.uniform(*self.pauses_s)
            time.sleep(0.1)
        self.account.seconds = time.monotonic() - begun
        return self.tally()

    def begin(self) -> None:
        """Start the cluster."""
        self.cluster.start(JOB_WORKERS="3", LOG_LEVEL="WARNING", **self.broker.environment)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.cluster.process and self.cluster.process.poll() is None:
            self.cluster.stop()

    def hurt(self) -> None:
        """Kill something, or ring bells that nobody needs."""
        what = self._chance.choice(["worker", "worker", "child", "child", "main", "group", "bells"])
        assert self.cluster.process
        main = self.cluster.process.pid
        if what == "bells":
            self.say("bells", 50)
        elif what == "main":
            _kill(main)
        elif what == "group":
            for sentinel in children(main):
                os.killpg(sentinel, signal.SIGKILL)
            _kill(main)
        else:
            workers = self.cluster.workers()
            pids = workers if what == "worker" else [pid for worker in workers for pid in children(worker)]
            if not pids:
                return
            _kill(self._chance.choice(pids))
        self.account.done[what] += 1

    def say(self, what: str, count: int) -> None:
        """Put jobs in the queue, or ring, as a process with this broker does."""
        assert self.tell(what, count).wait() == 0

    def tell(self, what: str, count: int) -> subprocess.Popen[bytes]:
        """Begin to say it."""
        environment = {**os.environ, **self.cluster.environment(), **self.broker.environment}
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, what, str(count), str(self.broker.most_waiting)], cwd=ROOT, env=environment
        )

    def tally(self) -> Account:
        """Count states and effects."""
        own = Job.objects.filter(kind="work.effect")
        account = self.account
        account.ended = Counter(dict(own.values_list("state").annotate(count=Count("pk"))))
        effects = JobLog.objects.filter(message="effect").values("job").annotate(count=Count("pk"))
        account.doubled = effects.filter(count__gt=1).count()
        account.without_effect = account.jobs - effects.count()
        account.most_attempts = own.aggregate(most=Max("attempts"))["most"]
        return account


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
