"""Handlers of the tests."""

import os
import signal
import subprocess
import time
from pathlib import Path

from common.errors import Invalid, Unavailable
from jobs.handlers import handler
from jobs.models import JobLog
from jobs.runner import JobRun


def note(run: JobRun, word: str) -> None:
    """Append a line to the file named in the payload."""
    with open(run.payload["file"], "a") as file:
        file.write(f"{word} {os.getpid()}\n")


@handler("work.count", label="Count")
def count(run: JobRun) -> None:
    """Report ten steps over the seconds asked for, and leave one effect."""
    note(run, "begin")
    for step in range(10):
        run.report(step * 10, f"step {step}")
        time.sleep(run.payload.get("seconds", 0) / 10)
    if "effect" not in Path(run.payload["file"]).read_text():  # one write: a kill leaves it done or not done
        note(run, "effect")
    run.result({"counted": 10})


@handler("work.refuse")
def refuse(run: JobRun) -> None:
    """Fail as a service does."""
    raise Invalid("the file is no model", fields={"file": "is empty"})


@handler("work.crash")
def crash(run: JobRun) -> None:
    """Fail as a mistake in the code does."""
    raise ZeroDivisionError("by nought")


@handler("work.lack")
def lack(run: JobRun) -> None:
    """Fail as long as the file is missing."""
    note(run, "begin")
    if not Path(run.payload["file"] + ".ready").exists():
        raise Unavailable("the model host does not answer")


@handler("work.poison")
def poison(run: JobRun) -> None:
    """Kill the process that works at it."""
    note(run, "begin")
    os.kill(os.getpid(), signal.SIGKILL)


@handler("work.deaf")
def deaf(run: JobRun) -> None:
    """Work for an hour and ask nobody."""
    note(run, "begin")
    time.sleep(3600)


@handler("work.spin", deadline_s=600)
def spin(run: JobRun) -> None:
    """Compute in C, holding the lock of the interpreter, and hear nothing."""
    note(run, "begin")
    while True:
        sum(range(10**10))


@handler("work.hurry", deadline_s=1)
def hurry(run: JobRun) -> None:
    """Take longer than the kind may."""
    time.sleep(60)


@handler("work.eat", memory_bytes=300 * 1024**2)
def eat(run: JobRun) -> None:
    """Take more memory than the kind may."""
    run.result({"size": len(bytearray(1024**3))})


@handler("work.murder")
def murder(run: JobRun) -> None:
    """Kill the worker that watches over this process."""
    note(run, "begin")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@handler("work.effect")
def effect(run: JobRun) -> None:
    """Write one line, together with the success of the job."""
    for number in range(int(run.payload.get("steps", 0))):
        run.report(number, f"step {number}")
        time.sleep(0.1)
    with run.succeed():
        time.sleep(run.payload.get("seconds", 0))
        JobLog.objects.create(job=run.job, message="effect")
        run.result({"written": 1})


@handler("work.chatter")
def chatter(run: JobRun) -> None:
    """Write more lines than anybody reads, then fail."""
    for number in range(700):
        run.log(f"line {number}")
    raise ZeroDivisionError


@handler("work.family")
def family(run: JobRun) -> None:
    """Start a process of its own and wait for it."""
    subprocess.run(["sleep", "3600"], check=False)


@handler("work.recur", every_minutes=1)
def recur(run: JobRun) -> None:
    """Come back each minute."""
