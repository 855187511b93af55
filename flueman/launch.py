"""Starts one part so that it ends when the supervisor does: `python flueman/launch.py NAME ARGUMENTS OF PYTHON...`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # Source: prctl(2)
LEAST_BETWEEN_STARTS_S = 1.0


def die_with_parent(parent_pid: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when its parent dies, however it dies; only Linux can.

    A parent that died before the request was made would never be noticed, so its pid is compared afterwards.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal_number)


def keep_pace(stamp: Path) -> None:
    """Sleep until a second has gone since the last start, so that a part which cannot start does not eat a core."""
    now = time.time()
    last = stamp.stat().st_mtime if stamp.exists() else 0.0
    time.sleep(min(max(last + LEAST_BETWEEN_STARTS_S - now, 0.0), LEAST_BETWEEN_STARTS_S))
    with suppress(OSError):  # on a full disk
        stamp.touch()


def main() -> None:
    """Become the part."""
    name, *arguments = sys.argv[1:]
    die_with_parent(int(os.environ["FLUEMAN_SUPERVISOR_PID"]))
    keep_pace(Path(os.environ["FLUEMAN_HOME"], "run", f"{name}.start"))
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main()
