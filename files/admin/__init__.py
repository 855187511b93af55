"""The back office of files: what is kept, how it came in, and how much of it there may be."""

from files.admin import quotas, stored

__all__ = ["quotas", "stored"]
