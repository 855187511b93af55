"""What came of one try to bring a notice, and when to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

# Source: Standard Webhooks 1.0, "Deliverability and reliability"; the same for e-mail.
PAUSES = [timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)]
MOST_ATTEMPTS = len(PAUSES) + 1
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it arrived; `is_final` when trying again cannot help; status and answer where there was one."""

    status: int | None = None
    answer: str = ""
    error: str = ""
    is_good: bool = False
    is_final: bool = False
    is_gone: bool = False
    """The receiver says that it wants nothing any more."""
    wait: timedelta | None = None
    """How long the receiver asks to be left alone."""


def pause(attempts: int) -> timedelta | None:
    """Give the time to the next attempt after so many, spread by a fifth; None when it was the last."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return PAUSES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
