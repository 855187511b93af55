"""The browser of the audit chain, and the people of whom it tells."""

from audit.admin import events, people

__all__ = ["events", "people"]
