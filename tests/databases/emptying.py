"""Empties the database after a transactional test, at the cost of what the test wrote."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.core.management.color import no_style
from django.db import connection

from audit import triggers

# What migrations fill: it stays unless a test has changed it.
FILLED = ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type")
_LEFT = (*FILLED, "django_migrations")


class Emptying:
    """Deletes the rows of the tables that have any; Django's flush goes through all, and makes permissions anew."""

    def __init__(self) -> None:
        self._filled: list[Any] = []
        self._asked = ""

    def is_done(self) -> bool:
        """Say whether the database is as it was when it was new; where it is not, only a whole flush helps."""
        with connection.cursor() as cursor:
            if not self._asked:
                self._asked = self._question()
            if self._counts(cursor) != self._filled:
                self._asked = ""
                return False
            cursor.execute(self._asked)
            tables = [table for (table,) in cursor.fetchall()]
        if tables:
            _delete_rows(tables)
        return True

    def begin(self) -> None:
        """Remember what the filled tables hold in a database that is new or has just been flushed."""
        with connection.cursor() as cursor:
            self._filled = self._counts(cursor)

    def _question(self) -> str:
        names = sorted(set(connection.introspection.django_table_names(only_existing=True)) - set(_LEFT))
        quote = connection.ops.quote_name
        return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in names)

    def _counts(self, cursor: Any) -> list[Any]:
        quote = connection.ops.quote_name
        cursor.execute(" UNION ALL ".join(f"SELECT COUNT(*), MAX(id) FROM {quote(name)}" for name in FILLED))
        return list(cursor.fetchall())


def _delete_rows(tables: list[str]) -> None:
    """Delete past the triggers that guard the audit chain; on MySQL emptying a table as a whole fires none."""
    flush, vendor = connection.ops, connection.vendor
    guarded = sorted({triggers.EVENTS, triggers.HEAD, triggers.CHECKPOINTS} & set(tables))
    if vendor == "mysql":
        statements = flush.sql_flush(no_style(), sorted(set(tables) - set(guarded)))
        emptied = flush.sql_flush(no_style(), guarded, reset_sequences=True)
        flush.execute_sql_flush([*statements, *emptied])
        return
    with triggers.lifted() if guarded else nullcontext():
        flush.execute_sql_flush(flush.sql_flush(no_style(), tables, allow_cascade=vendor == "postgresql"))
