"""What a search of MLflow's asks for: its filter and its order, read into plain conditions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.errors import Invalid
from common.names import composed

LONGEST_FILTER = 20_000
LONGEST_VALUE = 5000
LONGEST_KEY = 250
MOST_CONDITIONS = 100
MOST_IN_LIST = 1000
ENTITIES = ("attribute", "tag", "tags")

TEXT = ("!=", "=", "LIKE", "ILIKE")
LISTED = (*TEXT, "IN", "NOT IN")
NUMBER = ("!=", "=", "<", "<=", ">", ">=")
EXAMPLE = "such as name = 'intent' AND tags.stage LIKE 'prod%'"

# Each part begins with another character, and gives nothing back: the time is that of the text's length.
_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<text>'(?:[^']|'')*+'|"(?:[^"]|"")*+")
      | (?P<operator><=|>=|!=|<|>|=)
      | (?P<mark>[(),])
      | (?P<word>[^\s'"`<>=!(),](?:[^\s'"`<>=!(),]|`[^`]*+`|"[^"]*+")*+|`[^`]*+`)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_ORDER = re.compile(r"(\S+?|`[^`]+`)(?:\s+(ASC|DESC))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `key` is an attribute, or the key of a tag."""

    key: str
    operator: str
    value: str | int | tuple[str, ...]
    is_tag: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one search takes: the operators of each attribute, and what it can be ordered by."""

    attributes: Mapping[str, Sequence[str]]
    orders: Sequence[str]


MODELS = Grammar({"name": LISTED}, ("name", "creation_timestamp", "last_updated_timestamp"))
VERSIONS = Grammar(
    {"name": LISTED, "run_id": LISTED, "source_path": LISTED, "version_number": NUMBER},
    ("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
)


def parse_filter(text: str, grammar: Grammar) -> list[Condition]:
    """Give the conditions of a filter, all of which must hold. Raises Invalid, naming what it stumbles over."""
    if len(text) > LONGEST_FILTER:
        raise Invalid(f"Invalid filter: it has more than {LONGEST_FILTER} characters.")
    if not text.strip():
        return []
    tokens, conditions = _Tokens(text), []
    while True:
        conditions.append(_condition(tokens, grammar))
        if len(conditions) > MOST_CONDITIONS:
            raise Invalid(f"Invalid filter: it has more than {MOST_CONDITIONS} conditions.")
        kind, joint = tokens.take()
        if not kind:
            return conditions
        if kind != "word" or joint.upper() != "AND":
            raise _bad_clause(f"{joint} (conditions are joined by AND only)")


def parse_order(clauses: Sequence[str], grammar: Grammar) -> list[tuple[str, bool]]:
    """Give (attribute, is it descending) of each clause. Raises Invalid."""
    order: list[tuple[str, bool]] = []
    for clause in clauses:
        found = _ORDER.fullmatch(clause.strip()) if len(clause) <= LONGEST_KEY else None
        if found is None:
            raise Invalid(f"Invalid order_by clause '{clause[:200]}'. Could not be parsed.")
        key, is_tag = _identifier(found[1])
        if is_tag or key not in grammar.orders:
            raise _bad_key("order_by", key, grammar.orders)
        if key in (known for known, _ in order):
            raise Invalid(f"`order_by` contains duplicate fields: {key}")
        order.append((key, (found[2] or "").upper() == "DESC"))
    return order


class _Tokens:
    """The parts of a text, one after the other."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0
        self._next: tuple[str, str] | None = None

    def peek(self) -> tuple[str, str]:
        """Give kind and text of the next part; two empty ones at the end."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def take(self) -> tuple[str, str]:
        """Give the next part and go past it."""
        token, self._next = self.peek(), None
        return token

    def _read(self) -> tuple[str, str]:
        if self._at >= len(self._text):
            return "", ""
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            raise _bad_clause(self._text[self._at : self._at + 100].strip())
        self._at = found.end()
        return found.lastgroup, found[found.lastgroup]


def _condition(tokens: _Tokens, grammar: Grammar) -> Condition:
    kind, word = tokens.take()
    if kind != "word":
        raise _bad_clause(word or f"a condition is missing, {EXAMPLE}")
    key, is_tag = _identifier(word)
    if not is_tag and key not in grammar.attributes:
        raise _bad_key("attribute", key, tuple(grammar.attributes))
    allowed = TEXT if is_tag else grammar.attributes[key]
    operator = _operator(tokens, word)
    if operator not in allowed:
        what = "tag" if is_tag else f"attribute '{key}'"
        raise Invalid(f"Invalid comparator '{operator}' for {what}, expected one of {', '.join(allowed)}.")
    if operator in ("IN", "NOT IN"):
        return Condition(key, operator, tuple(_list(tokens)))
    if allowed is NUMBER:
        return Condition(key, operator, _number(tokens, key))
    return Condition(key, operator, _text(tokens, f"{'tag' if is_tag else 'attribute'} '{key}'"), is_tag)


def _identifier(word: str) -> tuple[str, bool]:
    """Give the key and whether it is that of a tag."""
    entity, dot, key = ("", "", word) if word.startswith("`") else word.partition(".")
    if not dot:
        entity, key = "attribute", entity or key
    if entity not in ENTITIES:
        raise Invalid(f"Invalid entity type '{entity[:200]}'. Valid entity types are {', '.join(ENTITIES)}.")
    if len(key) > 1 and key[0] == key[-1] and key[0] in '`"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY:
        raise _bad_clause(word[:200])
    return composed(key), entity != "attribute"


def _operator(tokens: _Tokens, left: str) -> str:
    kind, sign = tokens.take()
    if kind == "word" and sign.upper() == "NOT" and tokens.peek()[1].upper() == "IN":
        tokens.take()
        return "NOT IN"
    if kind not in ("operator", "word"):
        raise _bad_clause(f"{left[:200]} {sign[:200]}")
    return sign.upper()[:200]


def _text(tokens: _Tokens, what: str) -> str:
    kind, value = tokens.take()
    if kind != "text":
        said = f"Got value {value[:200]}." if value else "Got nothing."
        raise Invalid(f"Expected a quoted string value for {what} (e.g. 'my-value'). {said}")
    if len(value) > LONGEST_VALUE:
        raise Invalid(f"Invalid filter: a value has more than {LONGEST_VALUE} characters.")
    return composed(value[1:-1].replace(value[0] * 2, value[0]))


def _number(tokens: _Tokens, key: str) -> int:
    _kind, value = tokens.take()
    if not _NUMBER.fullmatch(value):
        raise Invalid(f"Expected an integer value for attribute '{key}'. Got value {value[:200]}.")
    return int(value)


def _list(tokens: _Tokens) -> Iterator[str]:
    wrong = Invalid("Expected a non-empty list of quoted strings, such as ('a', 'b').")
    if tokens.take()[1] != "(":
        raise wrong
    for count in range(MOST_IN_LIST + 1):
        if count == MOST_IN_LIST:
            raise Invalid(f"Invalid filter: a list has more than {MOST_IN_LIST} values.")
        if tokens.peek()[0] != "text":
            raise wrong
        yield _text(tokens, "a list")
        mark = tokens.take()[1]
        if mark == "," and tokens.peek()[1] == ")":
            mark = tokens.take()[1]
        if mark == ")":
            return
        if mark != ",":
            raise wrong


def _bad_clause(piece: str) -> Invalid:
    return Invalid(f"Invalid clause(s) in filter string: {piece[:200]}")


def _bad_key(what: str, key: str, known: Sequence[str]) -> Invalid:
    return Invalid(f"Invalid {what} key '{key[:200]}' specified. Valid keys are {', '.join(known)}.")
