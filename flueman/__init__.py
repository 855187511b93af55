"""Settings, addresses and processes: the only place that knows every app."""

__version__ = "0.1.0"
