"""SQL's LIKE with the case and ILIKE without it, of the same meaning on each database.

`%` stands for any text, `_` for one character, and nothing is escaped. SQLite's own LIKE takes any case, and its GLOB
the exact one; MariaDB compares by the column's collation, which here tells cases apart.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import CharField, Lookup, TextField

_GLOB = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
_MANY = re.compile("%{2,}")


class Like(Lookup):  # type: ignore[type-arg]
    """Compares with a pattern, case and all."""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Give the comparison of PostgreSQL and MariaDB, whose backslash would escape."""
        return self._compared(compiler, connection, "{} LIKE {}")

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Give SQLite's comparison with the pattern in its own signs."""
        sql, parameters = self.process_lhs(compiler, connection)
        pattern = "".join(_GLOB.get(sign, sign) for sign in _MANY.sub("%", str(self.rhs)))
        return f"{sql} GLOB %s", [*parameters, pattern]

    def _compared(self, compiler: Any, connection: Any, template: str) -> tuple[str, list[Any]]:
        sql, parameters = self.process_lhs(compiler, connection)
        pattern = _MANY.sub("%", str(self.rhs)).replace("\\", "\\\\")
        return template.format(sql, "%s"), [*parameters, pattern]


class ILike(Like):
    """Compares with a pattern in any case."""

    lookup_name = "ilike"

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Give PostgreSQL's comparison."""
        return self._compared(compiler, connection, "{} ILIKE {}")

    def as_mysql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Give MariaDB's comparison, of both sides in lower case."""
        return self._compared(compiler, connection, "LOWER({}) LIKE LOWER({})")

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Give SQLite's comparison; of letters beyond ASCII it tells the case, as everywhere on SQLite."""
        sql, parameters = self.process_lhs(compiler, connection)
        return f"{sql} LIKE %s", [*parameters, _MANY.sub("%", str(self.rhs))]


def register() -> None:
    """Give texts both comparisons."""
    for field in (CharField, TextField):
        field.register_lookup(Like)
        field.register_lookup(ILike)
