"""The table of faults: what each case got, printed, and kept where FLUEMAN_FAULT_TABLE names a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def note(part: str, case: str, statuses: Mapping[int, int], back_s: float) -> None:
    """Note one case: what clients were told by status, and the seconds until it was served again."""
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    line = f"| {part} | {case} | {told} | {back_s:.1f} |"
    sys.stdout.write(f"\n{line}\n")
    if file := os.environ.get("FLUEMAN_FAULT_TABLE"):
        with Path(file).open("a") as table:
            table.write(line + "\n")
