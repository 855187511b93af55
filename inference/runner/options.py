"""What both entries of this package are told: whose folder, behind which walls, on what and how it shall run."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

_DRIVER = Path("/dev/nvidiactl")
HALVES = ("fp16", "bf16")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model computes: `device` is cpu, cuda:N or auto; `half` the type it computes in, empty for its own."""

    device: str = "cpu"
    half: str = ""
    threads: int = 1
    device_share: float = 1.0


def common_options(description: str | None) -> argparse.ArgumentParser:
    """Give a parser of the options that every entry has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--parent", type=int, default=os.getppid())
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--trusted", action="store_true")
    parser.add_argument("--open-programs", action="store_true", help="run programs where walls are missing")
    parser.add_argument("--max-batch", type=int, default=128)
    parser.add_argument("--memory-bytes", type=int, default=6 * 1024**3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", choices=HALVES, default="")
    parser.add_argument("--device-share", type=float, default=1.0, help="of the memory of a CUDA device")
    return parser


def placement_of(options: argparse.Namespace) -> Placement:
    """Give where the model of these options computes."""
    return Placement(options.device, options.half, options.threads, options.device_share)


def uses_cuda(options: argparse.Namespace) -> bool:
    """Whether the model may compute on a CUDA device; asked before torch can be."""
    return options.device != "cpu" and _DRIVER.exists()
