"""A version over rows whose right answers are known."""
