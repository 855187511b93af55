"""Workers, main process and groups are killed at random, bells are doubled: each job ends once, with one effect."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.faults.jobs.brokers import Broker
from tests.faults.jobs.storm import Storm

IS_LONG = os.environ.get("FLUEMAN_FAULTS") == "long"
JOBS = int(os.environ.get("FLUEMAN_STORM_JOBS", "10000" if IS_LONG else "100"))
PAUSES_S = (4, 16) if IS_LONG else (2, 6)  # it takes some seconds to start a cluster
LIMIT_S = 7200 if IS_LONG else 300
HEAD = """| database | broker | jobs | killed (-9), doubled | time | ended | without effect | doubled | most attempts |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["orm", "redis", "sqs"])
def test_storm_when_processes_are_killed_at_random_then_each_job_ends_once_with_one_effect(
    kind: str, tmp_path: Path
) -> None:
    broker = Broker(kind, tmp_path)
    broker.start()
    try:
        account = Storm(broker, tmp_path, JOBS, pauses_s=PAUSES_S).run(limit_s=LIMIT_S)
    finally:
        broker.kill()
    sys.stdout.write(f"\n{HEAD}\n{account.line()}\n")
    assert account.ended == {"succeeded": JOBS}
    assert (account.without_effect, account.doubled) == (0, 0)
