"""The pages of jobs and schedules."""

from jobs.admin import jobs, schedules

__all__ = ["jobs", "schedules"]
