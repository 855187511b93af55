"""The database itself refuses to change or remove what stands in the chain.

Installed after every `migrate` (`audit/apps.py`): SQLite drops triggers when a migration remakes their table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

log = logging.getLogger(__name__)

EVENTS, HEAD = "audit_auditevent", "audit_audithead"
MESSAGE = "the audit chain is append-only"
# Name, table, event, condition under which it is refused.
RULES = [
    ("audit_refuse_update", EVENTS, "UPDATE", ""),
    ("audit_refuse_delete", EVENTS, "DELETE", ""),
    ("audit_refuse_head_delete", HEAD, "DELETE", ""),
    ("audit_refuse_head_back", HEAD, "UPDATE", "NEW.sequence <= OLD.sequence"),
]
MYSQL_NOT_ALLOWED = {1142, 1227, 1419}


def install() -> bool:
    """Put the triggers in place, new. Gives False where the database does not allow it (some managed MySQL)."""
    remove()
    try:
        with connection.cursor() as cursor:
            for statement in _statements():
                cursor.execute(statement)
    except DatabaseError as error:
        if connection.vendor != "mysql" or error.args[0] not in MYSQL_NOT_ALLOWED:
            raise
        log.warning("this database does not allow triggers: the audit chain is proved by its hashes alone (%s)", error)
        return False
    return True


def remove() -> None:
    """Take the triggers away; for tests, which empty all tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS audit_refuse() CASCADE")
            return
        for name, *_ in RULES:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


@contextmanager
def lifted() -> Iterator[None]:
    """Work without the triggers, as somebody with full rights on the database could."""
    remove()
    try:
        yield
    finally:
        install()


def _statements() -> list[str]:
    if connection.vendor == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} {f'WHEN {condition}' if condition else ''} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
            for name, table, event, condition in RULES
        ]
    if connection.vendor == "mysql":
        refusal = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{MESSAGE}'"
        return [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW "
            + (f"BEGIN IF {condition} THEN {refusal}; END IF; END" if condition else refusal)
            for name, table, event, condition in RULES
        ]
    return _postgresql()


def _postgresql() -> list[str]:
    rows = [
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW "
        f"{f'WHEN ({condition})' if condition else ''} EXECUTE FUNCTION audit_refuse()"
        for name, table, event, condition in RULES
    ]
    tables = [
        f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION audit_refuse()"
        for table in (EVENTS, HEAD)
    ]
    body = f"BEGIN RAISE EXCEPTION '{MESSAGE}'; END"
    function = f"CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    return [function, *rows, *tables]
