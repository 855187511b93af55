"""`/api/v1/jobs` and `/api/v1/schedules`."""

from jobs.api.jobs import JobViewSet
from jobs.api.schedules import ScheduleViewSet

__all__ = ["JobViewSet", "ScheduleViewSet"]
