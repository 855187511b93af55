"""The database itself refuses to change what stands in the chain, and to add to it anywhere but at its end.

Installed after every `migrate` (`audit/apps.py`): SQLite drops triggers when a migration remakes their table. Rows
under a seal may be removed: the rule asks for the seal, so that nothing is ever lifted.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, connection

log = logging.getLogger(__name__)

EVENTS, HEAD, CHECKPOINTS = "audit_auditevent", "audit_audithead", "audit_auditcheckpoint"
MESSAGE = "the audit chain is append-only"
_SEALED = f"(SELECT COALESCE(MAX(sealed_until), 0) FROM {CHECKPOINTS})"  # noqa: S608 - our own names
_NOT_AT_THE_END = (
    f"NOT EXISTS (SELECT 1 FROM {HEAD} h WHERE h.id = 1 AND NEW.sequence = h.sequence + 1 "  # noqa: S608
    "AND NEW.previous_hash = h.hash)"
)
_SIGNED = ["number", "kind", "sequence", "head_hash", "events", "at", "key_id", "previous", "signature"]
_CHANGED = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in _SIGNED)
# Name, table, event, condition under which it is refused. INSERT is ruled too: SQLite's REPLACE deletes in silence.
RULES = [
    ("update", EVENTS, "UPDATE", ""),
    ("delete", EVENTS, "DELETE", f"OLD.sequence > {_SEALED}"),
    ("insert", EVENTS, "INSERT", _NOT_AT_THE_END),
    ("head_delete", HEAD, "DELETE", ""),
    ("head_back", HEAD, "UPDATE", "NEW.sequence <> OLD.sequence + 1 OR NEW.id <> OLD.id"),
    ("head_insert", HEAD, "INSERT", f"NEW.id <> 1 OR EXISTS (SELECT 1 FROM {HEAD} h)"),  # noqa: S608
    ("checkpoint_update", CHECKPOINTS, "UPDATE", f"OLD.anchored_at IS NOT NULL OR {_CHANGED}"),
    ("checkpoint_delete", CHECKPOINTS, "DELETE", ""),
    (
        "checkpoint_insert",
        CHECKPOINTS,
        "INSERT",
        f"NEW.number <> (SELECT COALESCE(MAX(c.number), 0) + 1 FROM {CHECKPOINTS} c)",  # noqa: S608
    ),
]
MYSQL_NOT_ALLOWED = {1142, 1227, 1419}
_PREFIX = "audit_refuse_"
_LIST = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "postgresql": "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND tgenabled <> 'D'",
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One rule in the words of one database; its name holds a hash of them, so that a changed rule is replaced."""

    rule: str
    table: str
    statements: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name in the database's catalogue."""
        digest = hashlib.sha256("".join(self.statements).encode()).hexdigest()[:8]
        return f"{_PREFIX}{self.rule}_{digest}"


def install() -> bool:
    """Put in place what is missing and take away what is outdated.

    Gives False where the database does not allow it (some managed MySQL).
    """
    wanted = _triggers()
    there = _present()
    try:
        with connection.cursor() as cursor:
            for trigger in wanted:
                if trigger.name not in there:
                    for statement in trigger.statements:
                        cursor.execute(statement.replace("{name}", trigger.name))
        _drop(there - {trigger.name for trigger in wanted})
    except DatabaseError as error:
        if connection.vendor != "mysql" or error.args[0] not in MYSQL_NOT_ALLOWED:
            raise
        log.warning("this database does not allow triggers: the audit chain is proved by its hashes alone (%s)", error)
        return False
    return True


def are_in_place() -> bool:
    """Tell whether the database refuses what it should."""
    return {trigger.name for trigger in _triggers()} <= _present()


def remove() -> None:
    """Take the triggers away; for tests, which empty all tables."""
    _drop(_present())


@contextmanager
def lifted() -> Iterator[None]:
    """Work without the triggers, as somebody with full rights on the database could."""
    remove()
    try:
        yield
    finally:
        install()


def _present() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_LIST[connection.vendor])
        return {name for (name,) in cursor.fetchall() if name.startswith(_PREFIX)}


def _drop(names: set[str]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for name in names:
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")
            return
        for name in names:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def _triggers() -> list[Trigger]:
    make = {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}[connection.vendor]
    rules = [Trigger(rule, table, make(table, event, condition)) for rule, table, event, condition in RULES]
    if connection.vendor == "postgresql":
        tables = (EVENTS, HEAD, CHECKPOINTS)
        rules += [Trigger(f"truncate_{table[12:]}", table, _postgresql(table, "TRUNCATE", "")) for table in tables]
    return rules


def _sqlite(table: str, event: str, condition: str) -> tuple[str, ...]:
    when = f"WHEN {condition} " if condition else ""
    return (f"CREATE TRIGGER {{name}} BEFORE {event} ON {table} {when}BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",)


def _mysql(table: str, event: str, condition: str) -> tuple[str, ...]:
    refusal = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{MESSAGE}'"
    body = f"BEGIN IF {condition} THEN {refusal}; END IF; END" if condition else refusal
    return (f"CREATE TRIGGER {{name}} BEFORE {event} ON {table} FOR EACH ROW {body}",)


def _postgresql(table: str, event: str, condition: str) -> tuple[str, ...]:
    refusal = f"RAISE EXCEPTION '{MESSAGE}';"
    check = f"IF {condition} THEN {refusal} END IF;" if condition else refusal
    given = "OLD" if event == "DELETE" else "NEW"
    level = "STATEMENT" if event == "TRUNCATE" else "ROW"
    body = f"BEGIN {check} RETURN {given if level == 'ROW' else 'NULL'}; END"
    return (
        f"CREATE OR REPLACE FUNCTION {{name}}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"CREATE TRIGGER {{name}} BEFORE {event} ON {table} FOR EACH {level} EXECUTE FUNCTION {{name}}()",
    )
