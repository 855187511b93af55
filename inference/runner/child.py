"""The process of one model version: `python -m inference.runner.child`, started by the model host.

Confines itself, loads the model, says so in one JSON line on stdout, and answers frames on a unix socket.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TextIO

from common import sandbox
from inference.runner.options import common_options, uses_cuda


def main() -> int:
    """Serve until told to stop. Gives 1 if the model cannot be loaded."""
    options = _options()
    listener = _bind(options.socket)
    report = take_stdout()
    missing = sandbox.confine(
        parent=options.parent,
        readable=[options.folder],
        memory_bytes=options.memory_bytes,
        has_device=uses_cuda(options),
    )
    from inference.runner.server import run  # noqa: PLC0415 - numpy and torch start threads: after the walls stand

    return run(options=options, listener=listener, report=report, missing_walls=missing)


def take_stdout() -> TextIO:
    """Give stdout for reports alone; what the model prints goes to stderr and can forge no report."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return kept


def _bind(path: Path) -> socket.socket:
    """Give a bound socket that only this user can reach; it listens when the model is ready."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


def _options() -> argparse.Namespace:
    parser = common_options(__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--queue-rows", type=int, default=4096)
    parser.add_argument("--batch-deadline-s", type=float, default=20.0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
