"""Time-ordered identifiers."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime

_last = 0
_pool: list[bytes] = []
os.register_at_fork(after_in_child=_pool.clear)


def uuid7_int() -> int:
    """Give a version 7 UUID as a number, greater than any given before by this process.

    Source: RFC 9562, section 5.7 and method 3 of section 6.2 (sub-millisecond fraction in the 12 bits of rand_a).
    """
    global _last  # noqa: PLW0603 - one clock a process
    now = time.time_ns()
    stamp = (now // 1_000_000) << 12 | (now % 1_000_000) * 4096 // 1_000_000
    if stamp <= _last:
        stamp = _last + 1
    _last = stamp
    random_b = int.from_bytes(_random_bytes(), "big") >> 2
    return (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random_b


def _random_bytes() -> bytes:
    """Give 8 bytes of the system's randomness, fetched 512 at a time: a call into the kernel for each id shows."""
    try:
        return _pool.pop()
    except IndexError:
        fresh = os.urandom(4096)
        _pool.extend(fresh[at : at + 8] for at in range(8, 4096, 8))
        return fresh[:8]


def uuid7() -> uuid.UUID:
    """Give a version 7 UUID."""
    return uuid.UUID(int=uuid7_int())


def uuid7_floor(timestamp_ms: int) -> uuid.UUID:
    """Give the smallest version 7 UUID of a millisecond, the bound of a key range by time."""
    return uuid.UUID(int=timestamp_ms << 80 | 0x7 << 76 | 0b10 << 62)


def floor_of(moment: datetime) -> uuid.UUID:
    """Give the smallest key of what was made at a time."""
    return uuid7_floor(max(0, int(moment.timestamp() * 1000)))


def uuid7_time_ms(value: uuid.UUID) -> int:
    """Give the Unix time in milliseconds at which a version 7 UUID was made."""
    return value.int >> 80
