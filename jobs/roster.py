"""Who of the cluster's processes is alive and what it was doing when it died, told by the processes through a pipe.

Measured: an idle worker of django-q2 that is killed takes the lock of the task queue with it, and all the others wait
for ever, silently. A worker that dies at work holds no lock. So the guard must know the last word of the dead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import time
from multiprocessing import util
from typing import Any

from django_q.signals import post_execute_in_worker, pre_execute

PR_SET_PDEATHSIG = 1  # Source: prctl(2)
IDLE, BUSY, GONE = b"i", b"b", b"g"
_WORD = struct.Struct("=ci")


class Roster:
    """Begun in the guard before it forks; `states` holds the last word of each child of the sentinel by its pid."""

    def __init__(self) -> None:
        self.states: dict[int, bytes] = {}
        self.last_begun = time.monotonic()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._depth, self._pid = 0, os.getpid()
        os.register_at_fork(after_in_child=self._born)
        pre_execute.connect(self._begin)
        post_execute_in_worker.connect(self._end)

    def read(self) -> None:
        """Take in what the processes have said."""
        try:
            while said := os.read(self._reader, _WORD.size * 4096):
                for word, pid in _WORD.iter_unpack(said):
                    self.states[pid] = word
                    if word == BUSY:
                        self.last_begun = time.monotonic()
        except BlockingIOError:
            return

    def take_dead(self) -> dict[int, bytes]:
        """Give and forget the processes that ended, with their last word; those that left in order said `GONE`."""
        dead = {pid: word for pid, word in self.states.items() if word == GONE or not is_alive(pid)}
        for pid in dead:
            del self.states[pid]
        return dead

    def _born(self) -> None:
        """In a new process: die with the parent; as a child of the sentinel, say so.

        The sentinel becomes a group of its own, so that only the guard hears a signal that is sent to all.
        """
        die_with_parent(self._pid)
        self._depth, self._pid = self._depth + 1, os.getpid()
        if self._depth == 1:
            os.setpgid(0, 0)
        if self._depth == 2:
            self._say(IDLE)
            util.register_after_fork(self, Roster._promise_to_leave)

    def _promise_to_leave(self) -> None:
        util.Finalize(None, self._say, args=(GONE,), exitpriority=0)

    def _begin(self, **_kwargs: Any) -> None:
        self._say(BUSY)

    def _end(self, **_kwargs: Any) -> None:
        self._say(IDLE)

    def _say(self, word: bytes) -> None:
        try:
            os.write(self._writer, _WORD.pack(word, os.getpid()))
        except BlockingIOError:  # the guard has been away for thousands of jobs; a later word will do
            return


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent dies; a parent that died before is noticed afterwards."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; one that has died and was not yet collected by its parent does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False
