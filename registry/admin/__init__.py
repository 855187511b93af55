"""The pages of models and their versions."""

from registry.admin import models, versions

__all__ = ["models", "versions"]
