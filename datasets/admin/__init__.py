"""The pages of data."""

from datasets.admin import datasets, recipes, versions

__all__ = ["datasets", "recipes", "versions"]
