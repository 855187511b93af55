"""Rows that keep several processes from stepping on each other."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7


class Stamp(models.Model):
    """A counter that is raised with each change of something that processes hold in memory."""

    name = models.CharField(max_length=50, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class IdempotencyRecord(models.Model):
    """One idempotency key of one caller on one route: claimed before the work, holding the answer after it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    caller = models.CharField(max_length=80)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text=_("SHA-256 of the request's body"))
    created_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, help_text=_("none while the work is under way"))
    body = models.TextField(blank=True)
    location = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        verbose_name = _("idempotency record")
        constraints = [
            models.UniqueConstraint(fields=["caller", "route", "key"], name="guards_idempotency_one_per_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="guards_idempotency_by_age")]

    def __str__(self) -> str:
        return self.key


class RateBucket(models.Model):
    """A token bucket that all processes share: `guards/limits.py`."""

    name = models.CharField(max_length=120, primary_key=True)
    full_at = models.BigIntegerField(help_text=_("when it will be full again, in microseconds since 1970"))

    class Meta:
        verbose_name = _("rate bucket")
        # Buckets that have long been full are forgotten.
        indexes = [models.Index(fields=["full_at"], name="guards_ratebucket_by_moment")]

    def __str__(self) -> str:
        return self.name


class Lock(models.Model):
    """A lock of a name, kept for good: its number goes up each time that somebody takes it (`guards/locks.py`)."""

    name = models.CharField(max_length=150, primary_key=True)
    owner = models.CharField(max_length=40, blank=True)
    fence = models.BigIntegerField(default=0)
    ttl_us = models.BigIntegerField(default=0)
    until_us = models.BigIntegerField(default=0, help_text=_("microseconds since 1970, by the database's clock"))

    class Meta:
        verbose_name = _("lock")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
