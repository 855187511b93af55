"""Gives an empty MySQL or MariaDB database the exact collation, before the first table is made.

`utf8mb4_unicode_ci` takes 😀 for 😂 and 'Abc ' for 'abc', so names and keys would clash. A database that has tables is
left alone: changing it is an operator's decision (`docs/operations.md`).
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections

logger = logging.getLogger(__name__)


def make_exact(using: str = "default", **_signal: Any) -> None:
    """Set the database's collation if it is empty. Called before `migrate` does anything."""
    connection = connections[using]
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@collation_database, DATABASE()")
        current, name = cursor.fetchone()
        if current == settings.DATABASE_COLLATION or connection.introspection.table_names(cursor):
            return
        try:
            quoted = connection.ops.quote_name(name)
            cursor.execute(f"ALTER DATABASE {quoted} CHARACTER SET utf8mb4 COLLATE {settings.DATABASE_COLLATION}")
        except DatabaseError as error:
            logger.warning("the collation of %s stays %s: %s", name, current, error)
