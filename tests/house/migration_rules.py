"""What a migration must not do while the code before it still serves, on any of the three databases."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import migrations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field, GeneratedField
from django.db.models.fields import NOT_PROVIDED

# Tables that grow without end: a new index or constraint locks out their writers on PostgreSQL while it is built.
GROWING = {
    "inference.inferencerequest", "inference.prediction", "inference.shadowresult", "audit.auditevent", "jobs.joblog",
    "notify.delivery",
}  # fmt: skip
REMOVING = (
    migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel,
    migrations.AlterModelTable,
)  # fmt: skip
DATA = (migrations.RunPython, migrations.RunSQL)


def problems(migration: migrations.Migration, before: ProjectState) -> Iterator[str]:
    """Give what is unsafe in a migration, given the state before it."""
    made = {
        operation.name.lower() for operation in migration.operations if isinstance(operation, migrations.CreateModel)
    }
    kinds = [isinstance(operation, DATA) for operation in migration.operations]
    if any(kinds) and not all(kinds):
        yield "changes data and schema in one migration"
    for operation in migration.operations:
        table = getattr(operation, "model_name", getattr(operation, "name", "")).lower()
        if table not in made:
            yield from _unsafe(operation, f"{migration.app_label}.{table}", before)


def _unsafe(operation: Operation, table: str, before: ProjectState) -> Iterator[str]:
    if isinstance(operation, REMOVING):
        yield f"{table}: {operation.describe()}: the code before it still reads this"
    elif isinstance(operation, migrations.AddField):
        field = operation.field
        is_filled = isinstance(field, GeneratedField) or field.db_default is not NOT_PROVIDED  # by the database
        if not (field.null or field.many_to_many or is_filled):
            yield f"{table}.{operation.name}: NOT NULL without db_default: the code before it cannot insert"
        if field.unique and table in GROWING:
            yield f"{table}.{operation.name}: a unique column of a table that grows"
    elif isinstance(operation, migrations.AlterField):
        yield from _altered(operation, table, before)
    elif isinstance(operation, migrations.AddIndex | migrations.AddConstraint) and table in GROWING:
        yield f"{table}: {operation.describe()}: locks out the writers of a table that grows"
    elif isinstance(operation, DATA) and not operation.reversible:
        yield "changes data and cannot be undone"


def _altered(operation: migrations.AlterField, table: str, before: ProjectState) -> Iterator[str]:
    app, model = table.split(".")
    old: Field = before.models[app, model].fields[operation.name]  # type: ignore[type-arg]
    new = operation.field
    if old.null and not new.null:
        yield f"{table}.{operation.name}: NOT NULL: rows and code without a value are there"
    if type(old) is not type(new):
        yield f"{table}.{operation.name}: another type: the table is written anew"
    if old.max_length and new.max_length and new.max_length < old.max_length:
        yield f"{table}.{operation.name}: shorter than what may be kept"
    if (new.unique or new.db_index) and not (old.unique or old.db_index) and table in GROWING:
        yield f"{table}.{operation.name}: an index on a table that grows"
