"""The back office of notices."""

from notify.admin import deliveries, subscribers

__all__ = ["deliveries", "subscribers"]
