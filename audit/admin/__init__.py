"""The browser of the audit chain."""

from audit.admin import events

__all__ = ["events"]
