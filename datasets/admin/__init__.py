"""The pages of data."""

from datasets.admin import recipes

__all__ = ["recipes"]
