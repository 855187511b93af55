"""The door of `manage.py`: who acts, and errors of services told as command errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import Tags
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from common.errors import FluemanError
from common.names import composed

# Who acts in the audit trail when nobody is logged in.
ACTOR = "command line"

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
