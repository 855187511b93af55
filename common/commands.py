"""The door of `manage.py`: errors of services told as command errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from common.errors import FluemanError

# Who acts in the audit trail when nobody is logged in.
ACTOR = "command line"


@contextmanager
def told_as_command_errors() -> Iterator[None]:
    """Turn what a service refuses into a sentence on stderr and exit code 1."""
    try:
        yield
    except FluemanError as error:
        wrong = "; ".join(f"{name}: {text}" for name, text in error.fields.items())
        raise CommandError(f"{error.message} {wrong}".strip()) from error
    except ValidationError as error:
        fields = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        raise CommandError(
            "; ".join(f"{name}: {' '.join(said)}".lstrip(": ") for name, said in fields.items())
        ) from error
