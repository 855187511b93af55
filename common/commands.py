"""The door of `manage.py`: who acts, and errors of services told as command errors."""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import Tags
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from common.errors import FluemanError
from common.names import composed

# Who acts in the audit trail when nobody is logged in.
ACTOR = "command line"

# What dates can be reckoned with in every zone.
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000
LONGEST_DAYS = 365 * 100

# The system checks of a process without pages: those of pages and addresses would load them all.
CHECKS_OF_SETTINGS = [Tags.security, Tags.compatibility]


def acting(username: str | None, *permissions: str) -> Any:
    """Give the person who acts, the command line where nobody is named.

    Raises CommandError for somebody who is not known, not active, or lacks one of the permissions.
    """
    if not username:
        return ACTOR
    user = get_user_model().objects.filter(username=composed(username)).first()
    if user is None:
        raise CommandError(f"there is no user {username}")
    if not user.is_active:
        raise CommandError(f"{username} is not active")
    if lacking := [permission for permission in permissions if not user.has_perm(permission)]:
        raise CommandError(f"{username} may not do this: {', '.join(lacking)}")
    return user


def whole(least: int, most: int) -> Callable[[str], int]:
    """Give the type of an argument that is a whole number within bounds."""

    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ArgumentTypeError(f"must be {least} to {most}; it is {text}")
        return value

    read.__name__ = "whole number"
    return read


def between(least: float, most: float) -> Callable[[str], float]:
    """Give the type of an argument that is a number within bounds."""

    def read(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and least <= value <= most):
            raise ArgumentTypeError(f"must be {least:g} to {most:g}; it is {text}")
        return value

    read.__name__ = "number"
    return read


def moment(text: str) -> datetime:
    """Give a time from 1970 on; one without a zone is in the zone of the installation. The type of an argument."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no time: write it as 2026-11-03T09:00") from None
    if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
        raise ArgumentTypeError(f"the year must be {EARLIEST_YEAR} to {LATEST_YEAR}; it is {value.year}")
    return value if value.tzinfo else timezone.make_aware(value)


def read_text(path: Path) -> str:
    """Give what a file says. Raises OSError, and CommandError if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 at byte {error.start}") from None


def demand_writable(path: Path) -> None:
    """Raise CommandError if a file cannot be written there: asked before work whose result it gets."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"{path}: no file can be written there")


@contextmanager
def told_as_command_errors() -> Iterator[None]:
    """Turn what a service refuses, and files that cannot be read or written, into a sentence and exit code 1."""
    try:
        yield
    except FluemanError as error:
        unsaid = ((name, text) for name, text in error.fields.items() if str(text) not in error.message)
        wrong = "; ".join(f"{name}: {text}" for name, text in unsaid)
        raise CommandError(f"{error.message} {wrong}".strip()) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"not UTF-8 at byte {error.start}") from error
    except ValidationError as error:
        fields = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        raise CommandError(
            "; ".join(f"{name}: {' '.join(said)}".lstrip(": ") for name, said in fields.items())
        ) from error
