"""One question about the rows of a version, as both doors ask it: a page from a place on, or a search from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from common import strict_json
from common.errors import Invalid, NotReady
from common.numbers import whole
from datasets.browsing import MODES, OPERATORS
from datasets.browsing.rows import MOST_ROWS, Rows
from datasets.browsing.searching import Found, Search, search
from datasets.models import DatasetVersion

MOST_CHARACTERS = 10_000_000  # of an answer
MOST_SHOWN = 1000  # columns
LONGEST_TEXT = 1_000_000
_NUMBER_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class Usual:
    """What is given where nothing else is asked for."""

    limit: int = 100
    columns: int = 100
    longest: int = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that has been read."""

    rows: Rows
    search: Search
    columns: Sequence[str]
    place: int
    limit: int
    longest: int
    split: str | None

    def answer(self) -> Found:
        """Give the rows; a search gives what it finds within its time."""
        if self.search.is_asked:
            return search(
                self.rows,
                self.search,
                columns=self.columns,
                longest=self.longest,
                place=self.place,
                most=self.limit,
            )
        found = self.rows.page(self.place, self.limit, self.columns, self.longest)
        behind = self.place + len(found)
        return Found(found, behind, self.rows.total, behind if behind < self.rows.total else None)


def ask(version: DatasetVersion, query: QueryDict, usual: Usual) -> Asked:
    """Read what is asked about a version. Raises Invalid by field, NotReady.

    `offset` or `row` (from 1), `limit`, `columns`, `split`, `max_chars`; `q`, `mode`, `in`; `column`, `op`, `value`.
    """
    if not version.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": version}, code="not_sealed")
    split = query.get("split") or None
    rows = Rows(version, split)
    place = _number(query, "row", 1, least=1) - 1 if query.get("row") else _number(query, "offset", 0)
    limit = _number(query, "limit", usual.limit, least=1, most=MOST_ROWS)
    longest = _number(query, "max_chars", usual.longest, least=1, most=LONGEST_TEXT)
    columns = _columns(query, list(rows.types), usual.columns)
    sizes = (_NUMBER_CHARACTERS if rows.types[name] in _SHORT else longest for name in columns)
    if limit * sum(sizes) > MOST_CHARACTERS:
        _refuse("limit", _("This may be too much for one answer: ask for fewer rows, columns or characters."))
    return Asked(rows, _search(query), columns, place, limit, longest, split)


_SHORT = {"integer", "number", "truth", "date", "datetime", "duration"}


def _search(query: QueryDict) -> Search:
    return Search(
        words=_text(query, "q"),
        mode=_one_of(query, "mode", MODES),
        columns=tuple(strict_json.check_text(name, field="in") for name in query.getlist("in") if name),
        column=_text(query, "column"),
        operator=_one_of(query, "op", OPERATORS),
        value=_text(query, "value"),
    )


def _columns(query: QueryDict, known: Sequence[str], usual: int) -> list[str]:
    chosen = [name for name in dict.fromkeys(query.getlist("columns")) if name]
    if unknown := set(chosen) - set(known):
        _refuse("columns", _("There is no column “%(name)s”.") % {"name": min(unknown)[:100]})
    if len(chosen) > MOST_SHOWN:
        _refuse("columns", _("At most %(most)d columns can be shown at once.") % {"most": MOST_SHOWN})
    return chosen or list(known[:usual])


def _number(query: QueryDict, name: str, usual: int, *, least: int = 0, most: int = 2**48) -> int:
    found = whole(query.get(name) or str(usual), least=least, most=most)
    if found is not None:
        return found
    said = _("This must be a whole number from %(least)d to %(most)d.") % {"least": least, "most": most}
    raise Invalid(said, fields={name: said})


def _one_of(query: QueryDict, name: str, known: Sequence[str]) -> str:
    given = query.get(name) or known[0]
    if given not in known:
        _refuse(name, _("This must be one of: %(names)s.") % {"names": ", ".join(known)})
    return given


def _text(query: QueryDict, name: str) -> str:
    return strict_json.check_text(query.get(name, ""), field=name)


def _refuse(field: str, said: str) -> None:
    raise Invalid(said, fields={field: said})
