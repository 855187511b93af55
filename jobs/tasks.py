"""What the bell of django-q2 calls."""

from __future__ import annotations

import logging

from django.db import connections

from jobs.child import run_attempt
from jobs.runner import DATABASE_AWAY, claim_next

logger = logging.getLogger(__name__)


def run(*_earlier: str) -> None:
    """Work at the job whose turn it is, if one waits."""
    try:
        attempt = claim_next()
    except DATABASE_AWAY as error:
        logger.warning("the database does not answer a worker: %s", error)  # the reaper rings again
        connections.close_all()
        return
    if attempt:
        run_attempt(attempt)
