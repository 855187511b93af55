"""Rows of a query to MySQL, MariaDB or PostgreSQL: one SELECT, read-only, streamed, at an address that was checked."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import orjson
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid, TooLarge, Unavailable
from common.outgoing import checked_numbers
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, wanted
from files.storage import told_when_full

ROWS_AT_ONCE = 2000
CONNECT_S = 10
_ALLOWED = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432, "postgres": 5432}
_BEGINNING = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*(?!!).*?\*/\s*)*(select|with|values|table)\b", re.I | re.S)
_WRITING = re.compile(r"\binto\s+(outfile|dumpfile)\b|/\*!", re.I)


class DatabaseSource(SourceKind):
    """A query to a database elsewhere."""

    kind, label, icon = "database", _("database query"), "table_view"
    has_forms = False
    help = _(
        "One SELECT, in a transaction that only reads. Use an account that may read nothing but what is wanted. "
        "The server's address must be open to us (OUTGOING_ALLOW)."
    )
    fields = (
        SourceField(
            "address",
            _("Database"),
            help=_("postgresql://user@host:5432/name, mysql://user@host/name, or a name of IMPORT_DATABASES"),
        ),
        SourceField("secret", _("Password"), form="secret", is_required=False),
        SourceField("query", _("Query"), form="area", help=_("SELECT …")),
    )

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check address and query."""
        found = wanted(self, options)
        if found["address"] not in settings.IMPORT_DATABASES:
            _checked(found["address"])
        query = found["query"].rstrip().rstrip(";").rstrip()
        if not _BEGINNING.match(query) or _WRITING.search(query):
            said = gettext("Give one query that begins with SELECT or WITH and writes nothing.")
            raise Invalid(said, code="query_refused", fields={"query": said})
        return {**found, "query": query}

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give the database and the beginning of the query."""
        return f"{options['address']} · {' '.join(options['query'].split())}"[:255]

    def address_of(self, options: Mapping[str, Any]) -> str:
        """Give the address."""
        return str(options["address"])

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Run the query and write its rows as JSON Lines."""
        target = _target(options["address"], secret)
        path = fetching.folder / "rows.jsonl"
        opened = _postgresql if target.kind == "postgresql" else _mysql
        with told_when_full(), opened(target, options["query"], fetching) as answer, path.open("wb") as file:
            rows = _write(answer, file, fetching)
        is_cut = fetching.most_rows is not None and rows >= fetching.most_rows
        return Fetched(path, "rows.jsonl", is_cut=is_cut, types=answer.types)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect; an operator's own address is not checked."""

    kind: str
    host: str
    port: int
    user: str
    password: str
    name: str
    is_checked: bool


@dataclass(slots=True)
class _Answer:
    """Columns with their types, and rows."""

    types: dict[str, str]
    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in _ALLOWED and parts.hostname and parts.path.strip("/") and (parts.port or 1)
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment:
        known = ", ".join(settings.IMPORT_DATABASES)
        said = gettext(
            "Write it as postgresql://user@host:5432/name or mysql://user@host/name, without further options."
        )
        said += " " + gettext("Known names: %(names)s.") % {"names": known} if known else ""
        raise Invalid(said, code="address_refused", fields={"address": said})
    if parts.password:
        said = gettext(
            "The password does not belong into the address: give it in its own field, where it is kept sealed."
        )
        raise Invalid(said, code="address_refused", fields={"address": said})
    return parts


def _target(address: str, secret: str) -> Target:
    known = settings.IMPORT_DATABASES.get(address)
    parts = urlsplit(known) if known else _checked(address)
    kind = "postgresql" if parts.scheme.startswith("postgres") else "mysql"
    socket = dict(parse_qsl(parts.query)).get("host", "") if known else ""  # a folder or file of this machine
    host = socket or parts.hostname or ""
    password = unquote(parts.password or "") if known else secret
    port = parts.port or _ALLOWED[parts.scheme]
    return Target(kind, host, port, unquote(parts.username or ""), password, unquote(parts.path.strip("/")), not known)


def _number_of(target: Target) -> str:
    return checked_numbers(target.host, target.port)[0] if target.is_checked else target.host


@contextmanager
def _postgresql(target: Target, query: str, fetching: Fetching) -> Iterator[_Answer]:
    try:
        import psycopg  # noqa: PLC0415 - an installation without PostgreSQL need not have it
    except ImportError:
        raise _no_driver("psycopg") from None
    number = _number_of(target)
    where: dict[str, Any] = {"host": target.host, "port": target.port, "user": target.user, "dbname": target.name}
    where |= {"hostaddr": number} if target.is_checked else {}
    try:
        with psycopg.connect(**where, password=target.password, connect_timeout=CONNECT_S, options="") as connection:
            connection.read_only = True
            connection.execute(f"SET LOCAL statement_timeout = {int(fetching.seconds * 1000)}")
            # Parsed as one statement, whatever semicolons it holds: the simple protocol would run what follows them.
            told = connection.pgconn.exec_params(b"DECLARE flueman NO SCROLL CURSOR FOR " + query.encode(), None)
            if told.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise _query_failed(told.error_message.decode("utf-8", "replace"))
            cursor = connection.execute(f"FETCH FORWARD {ROWS_AT_ONCE} FROM flueman")
            columns = _unique([one.name for one in cursor.description or []])
            codes = [one.type_code for one in cursor.description or []]
            types = {name: _OIDS[code] for name, code in zip(columns, codes, strict=True) if code in _OIDS}
            yield _Answer(types, columns, _fetched(connection, cursor))
    except psycopg.OperationalError as error:
        raise _away(error) from error
    except psycopg.Error as error:
        raise _query_failed(str(error)) from error


def _fetched(connection: Any, cursor: Any) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchall():
        yield from rows
        cursor = connection.execute(f"FETCH FORWARD {ROWS_AT_ONCE} FROM flueman")


@contextmanager
def _mysql(target: Target, query: str, fetching: Fetching) -> Iterator[_Answer]:
    try:
        import MySQLdb  # noqa: PLC0415 - an installation without MySQL need not have it
        from MySQLdb.cursors import SSCursor  # noqa: PLC0415 - likewise
    except ImportError:
        raise _no_driver("mysqlclient") from None
    number = _number_of(target)
    seconds = max(1, int(fetching.seconds))
    connection = None
    try:
        connection = MySQLdb.connect(
            **({"unix_socket": number} if number.startswith("/") else {"host": number, "port": target.port}),
            user=target.user,
            password=target.password,
            database=target.name,
            connect_timeout=CONNECT_S,
            read_timeout=seconds,
            charset="utf8mb4",
            local_infile=0,  # a server could ask for files of ours
            multi_statements=False,
        )
        cursor = connection.cursor(SSCursor)
        _limit(cursor, seconds, MySQLdb.Error)
        cursor.execute("START TRANSACTION READ ONLY")
        cursor.execute(query)
        columns = _unique([one[0] for one in cursor.description or []])
        types = {
            name: _FIELDS[one[1]]
            for name, one in zip(columns, cursor.description or [], strict=True)
            if one[1] in _FIELDS
        }
        yield _Answer(types, columns, iter(cursor))
    except MySQLdb.OperationalError as error:
        raise _away(error) from error
    except MySQLdb.Error as error:
        raise _query_failed(str(error)) from error
    finally:
        if connection is not None:
            connection.close()


def _limit(cursor: Any, seconds: int, error: type[Exception]) -> None:
    """Limit the time of the query; MySQL and MariaDB call it by different names."""
    for words in (f"SET SESSION max_execution_time={seconds * 1000}", f"SET SESSION max_statement_time={seconds}"):
        try:
            cursor.execute(words)
        except error:
            continue


def _write(answer: _Answer, file: Any, fetching: Fetching) -> int:
    """Write rows until there are no more. Raises TooLarge, Unavailable past the time."""
    until, rows, written = time.monotonic() + fetching.seconds, 0, 0
    for row in answer.rows:
        line = orjson.dumps(dict(zip(answer.columns, row, strict=True)), default=_plain) + b"\n"
        file.write(line)
        rows, written = rows + 1, written + len(line)
        if fetching.most_rows is not None and rows >= fetching.most_rows:
            break
        if rows % 1000 == 0:
            fetching.tell(written, None)
            if time.monotonic() > until:
                raise Unavailable(gettext("The query takes too long."), code="timeout")
        if written > fetching.most_bytes:
            raise TooLarge(gettext("The query gives more than %(most)d bytes.") % {"most": fetching.most_bytes})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value)


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        one, again = name, 2
        while one in found:
            one, again = f"{name}_{again}", again + 1
        found.append(one)
    return found


def _away(error: Exception) -> Unavailable:
    said = gettext("The database cannot be reached, or refuses: %(why)s") % {"why": str(error)[:300]}
    return Unavailable(said, code="database_away")


def _query_failed(why: str) -> Invalid:
    said = gettext("The database refuses the query: %(why)s") % {"why": why.strip()[:500]}
    return Invalid(said, code="query_failed", fields={"query": said})


def _no_driver(name: str) -> Invalid:
    said = gettext("The package %(name)s is not installed here.") % {"name": name}
    return Invalid(said, code="no_driver", fields={"address": said})


# Source: PostgreSQL, src/include/catalog/pg_type.dat
_OIDS = {
    16: "truth", 20: "integer", 21: "integer", 23: "integer", 25: "text", 1043: "text", 1042: "text",
    700: "number", 701: "number", 1700: "number", 1082: "date", 1114: "datetime", 1184: "datetime", 1186: "duration",
}  # fmt: skip
# Source: MySQL, include/field_types.h
_FIELDS = {
    0: "number", 246: "number", 4: "number", 5: "number", 1: "integer", 2: "integer", 3: "integer", 8: "integer",
    9: "integer", 13: "integer", 7: "datetime", 12: "datetime", 10: "date", 11: "duration", 253: "text", 254: "text",
    252: "text",
}  # fmt: skip
