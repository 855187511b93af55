"""Rows of a version, looked at page by page and searched."""

MODES = ("contains", "exact", "regex")
OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "contains", "missing", "present")
