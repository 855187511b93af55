"""From text to a tree; every part of it knows the character where it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from common.errors import Invalid

LONGEST = 2000
DEEPEST = 60
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d{1,3})?)
    |'(?P<text>(?:[^'\\]|\\.|'')*)'
    |"(?P<quoted>[^"]+)"|`(?P<ticked>[^`]+)`
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>==|!=|<>|<=|>=|//|[-+*/%<>=(),])""",
    re.X | re.S,
)
_WORDS = {"and", "or", "not", "in", "is", "true", "false", "missing", "null", "none"}
_COMPARE = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "'": "'", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: what it does (`op`), to which parts, and where it stands."""

    op: str
    at: int
    value: Any = None
    parts: tuple[Node, ...] = ()
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        depth = 1 + max((part.depth for part in self.parts), default=0)
        if depth > DEEPEST:
            refuse(self.at, _("this is nested too deep"))
        object.__setattr__(self, "depth", depth)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    at: int


def refuse(at: int, what: str) -> NoReturn:
    """Raise Invalid that points at a character."""
    raise Invalid(_("Character %(at)d: %(what)s.") % {"at": at + 1, "what": what}, code="wrong_expression")


def parse(source: str) -> Node:
    """Give the tree of an expression. Raises Invalid that points at the character that is wrong."""
    if len(source) > LONGEST:
        refuse(LONGEST, _("an expression has at most %(most)d characters") % {"most": LONGEST})
    reader = _Reader(_tokens(source))
    tree = reader.either()
    if reader.now.kind != "end":
        refuse(reader.now.at, _("“%(found)s” is not expected here") % {"found": reader.now.value})
    return tree


def _tokens(source: str) -> list[_Token]:
    found, at = [], 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if not match:
            _explain(source, at)
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "name" and value.lower() in _WORDS:
            kind, value = "word", value.lower()
        if kind == "text":
            value = re.sub(r"\\(.)|''", lambda one: _ESCAPES.get(one[1], one[0]) if one[1] else "'", value, flags=re.S)
        if kind != "space":
            found.append(_Token("column" if kind in ("quoted", "ticked") else kind, value, at))
        at = match.end()
    return [*found, _Token("end", _("the end"), len(source))]


def _explain(source: str, at: int) -> NoReturn:
    if source[at] in "'\"`":
        refuse(at, _("this quotation mark is not closed"))
    if source[at] in "“”‘’":
        refuse(at, _("write straight quotation marks: 'text', \"column\""))
    refuse(at, _("“%(found)s” means nothing here") % {"found": source[at]})


def _leaf(token: _Token) -> Node:
    """Give a column or a value that is written down."""
    if token.kind == "number":
        is_whole = token.value.isdigit() and len(token.value) < 19
        return Node("number", token.at, int(token.value) if is_whole else float(token.value))
    if token.kind in ("text", "column"):
        return Node(token.kind, token.at, token.value)
    if token.kind == "name":
        return Node("column", token.at, token.value)
    if token.kind == "word" and token.value in ("true", "false"):
        return Node("truth", token.at, token.value == "true")
    if token.kind == "word" and token.value in ("missing", "null", "none"):
        return Node("missing", token.at)
    refuse(token.at, _("a column, a value or “(” is expected, not “%(found)s”") % {"found": token.value})


class _Reader:
    """Reads tokens from left to right; a method for each rank of the operators, the weakest first."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._place, self._inside = tokens, 0, 0

    @property
    def now(self) -> _Token:
        return self._tokens[self._place]

    def either(self) -> Node:
        self._inside += 1
        if self._inside > DEEPEST // 2:
            refuse(self.now.at, _("this is nested too deep"))
        found = self._several("or", self._both)
        self._inside -= 1
        return found

    def _both(self) -> Node:
        return self._several("and", self._negated)

    def _several(self, word: str, read: Any) -> Node:
        """Read parts with one word between them: one node, so that a long list is not deep."""
        at, parts = self.now.at, [read()]
        while self._takes("word", word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Node(word, at, parts=tuple(parts))

    def _negated(self) -> Node:
        at, times = self.now.at, 0
        while self._takes("word", "not"):
            times += 1
        found = self._compared()
        return Node("not", at, parts=(found,)) if times % 2 else found

    def _compared(self) -> Node:
        left = self._sum()
        token = self.now
        if token.kind == "sign" and token.value in _COMPARE:
            self._place += 1
            found = Node(_COMPARE[token.value], token.at, parts=(left, self._sum()))
            if self.now.value in _COMPARE and self.now.kind == "sign":
                refuse(self.now.at, _("comparisons are joined by “and”"))
            return found
        if self._takes("word", "is"):
            is_not = self._takes("word", "not")
            if not any(self._takes("word", word) for word in ("missing", "null", "none")):
                refuse(self.now.at, _("after “is” comes “missing” or “not missing”"))
            found = Node("missing?", token.at, parts=(left,))
            return Node("not", token.at, parts=(found,)) if is_not else found
        is_not = token.value == "not" and self._takes("word", "not")
        if self._takes("word", "in"):
            self._needs("(")
            found = Node("in", token.at, parts=(left, *self._list()))
            return Node("not", token.at, parts=(found,)) if is_not else found
        if is_not:
            refuse(self.now.at, _("after “not” comes “in” here"))
        return left

    def _sum(self) -> Node:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/", "//", "%"), self._signed)

    def _chain(self, signs: tuple[str, ...], read: Any) -> Node:
        left = read()
        while self.now.kind == "sign" and self.now.value in signs:
            token = self.now
            self._place += 1
            left = Node(token.value, token.at, parts=(left, read()))
        return left

    def _signed(self) -> Node:
        at, times = self.now.at, 0
        while self._takes("sign", "-"):
            times += 1
        found = self._single()
        return Node("negative", at, parts=(found,)) if times % 2 else found

    def _single(self) -> Node:
        token = self.now
        self._place += token.kind != "end"
        if token.kind == "name" and self._takes("sign", "("):
            return Node("call", token.at, token.value.lower(), self._list())
        if token.kind == "sign" and token.value == "(":
            found = self.either()
            self._needs(")")
            return found
        return _leaf(token)

    def _list(self) -> tuple[Node, ...]:
        """Read what stands between brackets, of which the first is read."""
        found: list[Node] = []
        while not self._takes("sign", ")"):
            if found:
                self._needs(",")
            found.append(self.either())
        return tuple(found)

    def _takes(self, kind: str, value: str) -> bool:
        if self.now.kind != kind or self.now.value != value:
            return False
        self._place += 1
        return True

    def _needs(self, sign: str) -> None:
        if not self._takes("sign", sign):
            said = _("“%(sign)s” is expected, not “%(found)s”") % {"sign": sign, "found": self.now.value}
            refuse(self.now.at, said)
