"""The pages of models and their versions."""

from registry.admin import alias_rules, approvals, gates, models, versions

__all__ = ["alias_rules", "approvals", "gates", "models", "versions"]
