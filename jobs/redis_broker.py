"""The Redis broker, in a module of its own: the embedded set is without redis."""

from __future__ import annotations

from django_q.brokers.redis_broker import Redis

from jobs.brokers import Patient


class RedisBell(Patient, Redis):
    """Redis; how long it may take to answer stands in its address."""
