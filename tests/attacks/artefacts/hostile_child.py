"""A model's process whose network does what its input says: stands for a model that has taken its process over.

Started by a model host or a test in the place of `inference.runner.child`; the walls are those of every child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from common import sandbox
from inference.runner import child

TRIGGER = 666.0  # the first number of the row; the second is the number of the attack
_build_walls = sandbox.confine
_asked: list[int] = []  # ids of the frames that came from web


def _sockets() -> list[int]:
    """Give the descriptors of the connections from web."""
    found = []
    for name in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(name).st_mode):
                found.append(name)
        except OSError:
            continue
    return found


def _write_to_web(data: bytes, seconds: float = 0.0) -> None:
    until = time.monotonic() + seconds
    while True:
        for name in _sockets():
            try:
                with socket.socket(fileno=os.dup(name)) as copy:
                    copy.send(data, socket.MSG_DONTWAIT)
            except OSError:
                continue
        if time.monotonic() >= until:
            return


def _without_alarm(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        work()

    return run


def _loop() -> None:
    while True:
        pass


def _eat() -> None:
    hogs = []
    while True:
        hogs.append(bytearray(64 << 20))


def _eat_natively() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    for _ in range(10_000):
        place = libc.malloc(64 << 20)
        ctypes.memset(place, 1, 64 << 20)  # a null pointer at the end: the process dies


def _print() -> None:
    line = b"ERROR forged line \x1b[31m\n" * 4096
    until = time.monotonic() + 4
    while time.monotonic() < until:
        os.write(2, line)


def _report() -> None:
    for name in range(3, 16):
        try:
            os.set_blocking(name, False)
            if stat.S_ISFIFO(os.fstat(name).st_mode):
                os.write(name, b'{"report": {"ok": true}}\n' * 4000)
        except OSError:
            continue


def _close() -> None:
    os.closerange(0, 1024)


def _threads() -> None:
    for _ in range(5000):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()


def frame(number: int, kind: int, tensors: bytes = b"", count: int = 0) -> bytes:
    """Give a frame of any content."""
    return struct.pack("<IQBBII", 18 + len(tensors), number, kind, count, 0, 0) + tensors


def tensor(datatype: int, shape: tuple[int, ...], payload: bytes) -> bytes:
    """Give a tensor of any content."""
    return struct.pack(f"<BBQ{len(shape)}q", datatype, len(shape), len(payload), *shape) + payload


def answers(tensors: bytes, count: int = 1) -> Callable[[], None]:
    """Answer every call that may be under way with the tensors."""
    return lambda: _write_to_web(frame(_asked[-1], 2, tensors, count))


FP32, FP64, BYTES, BF16 = 10, 11, 12, 13
ATTACKS: dict[str, Callable[[], Any]] = {
    "loops": _loop,
    "loops, its alarm switched off": _without_alarm(_loop),
    "answers after the deadline": lambda: time.sleep(3.2),
    "stops itself": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "kills itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leaves": lambda: os._exit(0),
    "crashes": lambda: ctypes.string_at(0),
    "eats memory": _eat,
    "eats memory natively": _eat_natively,
    "starts processes without end": lambda: [os.fork() for _ in range(1000)],
    "starts threads without end": _threads,
    "prints gigabytes": _print,
    "forges reports to the host": _report,
    "closes all its descriptors": _close,
    "shuts its door": lambda: [socket.socket(fileno=name).shutdown(socket.SHUT_RDWR) for name in _sockets()],
    "raises what is no exception": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
    "sends garbage": lambda: _write_to_web(b"\xff" * 4096),
    "sends the head of a giant frame": lambda: _write_to_web(struct.pack("<I", 0x7FFFFFFF)),
    "sends frames that nobody asked for": lambda: _write_to_web(frame(1 << 40, 2), 2.0),
    "sends answers of other calls": lambda: _write_to_web(b"".join(frame(n, 2) for n in range(2, 400))),
    "sends a frame of an unknown kind": lambda: _write_to_web(frame(1, 77)),
    "sends a call": lambda: _write_to_web(frame(1, 1)),
    "tells an error of 100 KB": lambda: _write_to_web(frame(_asked[-1], 3, b"unknown_key\n<script>" + b"x" * 100_000)),
    "answers what is true": answers(tensor(FP32, (1, 2), struct.pack("<2f", 10, 20))),
    "answers NaN": answers(tensor(FP32, (1, 2), struct.pack("<2f", float("nan"), 1))),
    "answers infinity": answers(tensor(FP32, (1, 2), struct.pack("<2f", float("inf"), 1))),
    "answers another datatype": answers(tensor(FP64, (1, 2), bytes(16))),
    "answers an unknown datatype": answers(tensor(99, (1, 2), bytes(8))),
    "answers BF16": answers(tensor(BF16, (1, 2), bytes(4))),
    "answers text for numbers": answers(tensor(BYTES, (1, 2), b"\x01\0\0\0a\x01\0\0\0b")),
    "answers too many rows": answers(tensor(FP32, (3, 2), bytes(24))),
    "answers a negative shape": answers(tensor(FP32, (-1, 2), bytes(8))),
    "answers a shape of 2^62": answers(tensor(FP32, (1, 1 << 62), bytes(8))),
    "answers bytes that do not fit the shape": answers(tensor(FP32, (1, 2), bytes(12))),
    "answers no output": answers(b"", 0),
    "answers 200 outputs": answers(tensor(FP32, (1, 2), bytes(8)) * 200, 200),
    "answers a tensor past the end of its frame": answers(struct.pack("<BBQ2q", FP32, 2, 1 << 40, 1, 2)),
}


def confine(**options: Any) -> list[str]:
    """Build the walls; the network that is built afterwards is the hostile one."""
    missing = _build_walls(**options)
    from inference.runner import architectures, batching

    take = batching.Batcher.submit

    def submit(self: Any, peer: Any, frame: Any) -> None:
        """Remember what was asked."""
        _asked.append(frame.id)
        take(self, peer, frame)

    batching.Batcher.submit = submit  # type: ignore[method-assign]

    class Hostile(architectures.Mlp):
        """Attacks when it is told to."""

        def forward(self, x: Any) -> Any:
            for row in x.tolist():
                if row[0] == TRIGGER:
                    list(ATTACKS.values())[int(row[1])]()
            return super().forward(x)

    architectures._BUILDERS["mlp"] = Hostile
    return missing


if __name__ == "__main__":
    sandbox.confine = confine
    sys.exit(child.main())
