"""Typed readers of environment variables. An empty variable counts as not set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Give the variable as it stands."""
    return os.environ.get(name) or default


def flag(name: str, default: bool) -> bool:
    """Give true or false. Raises ImproperlyConfigured for any other word."""
    value = text(name).lower()
    if not value:
        return default
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be one of 1, 0, true, false, yes, no, on, off; it is {value!r}")
    return value in TRUE


def integer(name: str, default: int, *, least: int = 0) -> int:
    """Give a whole number. Raises ImproperlyConfigured if it is none or below `least`."""
    return int(_number(name, default, least, int))


def number(name: str, default: float, *, least: float = 0) -> float:
    """Give a number. Raises ImproperlyConfigured if it is none or below `least`."""
    return float(_number(name, default, least, float))


def items(name: str, default: Sequence[str] = ()) -> list[str]:
    """Give the parts of a comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or list(default)


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    """Give one of a few words. Raises ImproperlyConfigured for any other."""
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}; it is {value!r}")
    return value


def path(name: str, default: Path) -> Path:
    """Give an absolute path."""
    return Path(text(name, str(default))).expanduser().absolute()


def _number(name: str, default: float, least: float, kind: type[int] | type[float]) -> float:
    value = text(name)
    try:
        result = kind(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number; it is {value!r}") from None
    if not result >= least:
        raise ImproperlyConfigured(f"{name} must be at least {least}; it is {value}")
    return result
