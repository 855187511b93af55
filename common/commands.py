"""The door of `manage.py`: errors of services told as command errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.checks import Tags
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from common.errors import FluemanError

# Who acts in the audit trail when nobody is logged in.
ACTOR = "command line"

# The system checks of a process without pages: those of pages and addresses would load them all.
CHECKS_OF_SETTINGS = [Tags.security, Tags.compatibility]


@contextmanager
def told_as_command_errors() -> Iterator[None]:
    """Turn what a service refuses into a sentence on stderr and exit code 1."""
    try:
        yield
    except FluemanError as error:
        unsaid = ((name, text) for name, text in error.fields.items() if str(text) not in error.message)
        wrong = "; ".join(f"{name}: {text}" for name, text in unsaid)
        raise CommandError(f"{error.message} {wrong}".strip()) from error
    except ValidationError as error:
        fields = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        raise CommandError(
            "; ".join(f"{name}: {' '.join(said)}".lstrip(": ") for name, said in fields.items())
        ) from error
