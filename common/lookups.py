"""Lookups that take any case mean the same on each database.

On MySQL and MariaDB they compare by the column's collation, which here tells cases apart (`flueman/collation.py`).
"""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, TextField
from django.db.models.lookups import IContains, IEndsWith, IExact, IStartsWith

LONGEST_SEARCH = 200  # characters of what somebody looks for: databases refuse conditions without end


class _Folded:
    def as_mysql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Compare both sides in lower case."""
        sql, parameters = self.as_sql(compiler, connection)  # type: ignore[attr-defined]
        left, operator, right = sql.partition(" LIKE ")
        return f"LOWER({left}){operator}LOWER({right})", list(parameters)


def register() -> None:
    """Put the folded lookups in the place of Django's."""
    for lookup in (IContains, IEndsWith, IExact, IStartsWith):
        folded = type(lookup.__name__, (_Folded, lookup), {"__module__": __name__})
        for field in (CharField, TextField):
            field.register_lookup(folded)
