"""What datasets and recipes share: a name of their own, and being put aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid
from common.names import safe_name
from datasets.models import Dataset, Recipe

LONGEST_NAME = 100


def kept_name(name: str) -> str:
    """Give a name as it is kept. Raises Invalid."""
    found = safe_name(name)
    if len(found) > LONGEST_NAME:
        said = _("A name has at most %(most)d characters.") % {"most": LONGEST_NAME}
        raise Invalid(said, fields={"name": said})
    return found


def save_named(row: Dataset | Recipe, facts: Mapping[str, Any] | None = None) -> None:
    """Insert a row, or change these facts of it. Raises Invalid, Conflict for a name that is taken."""
    for field, value in (facts or {}).items():
        setattr(row, field, kept_name(value) if field == "name" else value)
    row.full_clean(validate_unique=False)
    how: dict[str, Any] = {"force_insert": True} if facts is None else {"update_fields": [*facts, "updated_at"]}
    try:
        with transaction.atomic():
            row.save(**how)
    except IntegrityError:
        is_dataset = isinstance(row, Dataset)
        told = _("There is a dataset “%(name)s” already.") if is_dataset else _("There is a recipe “%(name)s” already.")
        said = told % {"name": row.name}
        raise Conflict(said, code="name_taken", fields={"name": said}) from None


def put_aside(row: Dataset | Recipe, *, actor: Any, reason: str) -> None:
    """Take a row out of the lists. Raises Conflict if it is not there."""
    if not type(row).objects.present().filter(pk=row.pk).update(archived_at=timezone.now()):
        raise Conflict(_("It is archived already."), code="archived")
    row.refresh_from_db()
    record(action=f"datasets.{row._meta.model_name}_archived", actor=actor, target=row, reason=reason)


def bring_back(row: Dataset | Recipe, *, actor: Any, reason: str) -> None:
    """Put a row back into the lists. Raises Conflict if it is there."""
    if not type(row).objects.filter(pk=row.pk, archived_at__isnull=False).update(archived_at=None):
        raise Conflict(_("It is not archived."), code="not_archived")
    row.refresh_from_db()
    record(action=f"datasets.{row._meta.model_name}_restored", actor=actor, target=row, reason=reason)
