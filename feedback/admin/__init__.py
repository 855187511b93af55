"""The pages of feedback and review."""

from feedback.admin import golden, items, queues

__all__ = ["golden", "items", "queues"]
