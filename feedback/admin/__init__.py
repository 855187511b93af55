"""The pages of feedback and review."""

from feedback.admin import golden, inbox, items, queues

__all__ = ["golden", "inbox", "items", "queues"]
