"""Every write to jobs and schedules that somebody asks for."""

from jobs.services.forgetting import forget_old
from jobs.services.schedules import (
    add_schedule,
    fire_due,
    is_kept,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    run_schedule,
    update_schedule,
    write_built_in_schedules,
)
from jobs.services.work import cancel, enqueue, retry

__all__ = [
    "add_schedule",
    "cancel",
    "enqueue",
    "fire_due",
    "forget_old",
    "is_kept",
    "pause_schedule",
    "remove_schedule",
    "resume_schedule",
    "retry",
    "run_schedule",
    "update_schedule",
    "write_built_in_schedules",
]
