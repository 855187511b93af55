"""JSON Lines, and JSON as a list of objects or as lists by column, row by row. Pure."""

from __future__ import annotations

import codecs
import io
import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import orjson

from datasets.formats.facts import MOST_LINE_BYTES, Reject, UnreadableError, cut
from datasets.formats.texts import Lines, shown

MOST_WHOLE_BYTES = 128 << 20
_BLOCK = 1 << 20
_BLANK = " \t\r\n\ufeff"
_KEY = secrets.token_hex(8)
_OPEN, _NEXT = f'[{{"{_KEY}":'.encode(), f'}},{{"{_KEY}":'.encode()


class Item(NamedTuple):
    """The values of a row by name, the number of its first line, and how many characters it has."""

    line: int
    values: dict[str, Any]
    size: int


def lines_of(lines: Lines, count: int | None = None) -> Iterator[Item | Reject]:
    """Give the rows of so many lines, or of all: a block at a time while all of its lines are objects, else by line."""
    last = lines.number + count if count is not None else None
    while lines.is_utf8 and (block := lines.block(most=last - lines.number if last is not None else None)):
        if (values := _objects(block)) is not None:
            first = lines.number + 1
            lines.pass_by(block)
            for number, (raw, value) in enumerate(zip(block, values, strict=True), first):
                yield Item(number, value, len(raw))
            continue
        lines.give_back(block)
        yield from _one_by_one(lines, len(block))
    if not lines.is_utf8:
        yield from _one_by_one(lines, count)


def _objects(block: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """Give the objects of lines, parsed as one list; `None` if not each of them is one object in UTF-8.

    Each stands under a key that no file can know, so no line can end its object and begin another unseen.
    """
    if len(block[-1]) > MOST_LINE_BYTES:
        return None  # it may go on
    try:
        parsed = orjson.loads(b"".join((_OPEN, _NEXT.join(block), b"}]")))
        found = [one[_KEY] for one in parsed if len(one) == 1]
    except (ValueError, KeyError, TypeError):
        return None
    is_whole = len(found) == len(parsed) == len(block) and all(type(one) is dict for one in found)
    return found if is_whole else None


def _one_by_one(lines: Lines, count: int | None = None) -> Iterator[Item | Reject]:
    for text in islice(lines, count):
        if text is Lines.TOO_LONG:
            yield Reject(lines.number, "line_too_long", cut(shown(lines.beginning)), values={"most": MOST_LINE_BYTES})
        elif lines.is_damaged:
            yield Reject(lines.number, "wrong_bytes", cut(shown(text[:4000])))
        elif text.strip(_BLANK):
            yield _line(text, lines.number)


def _line(text: str, number: int) -> Item | Reject:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:  # NaN and infinities are no JSON, and are written all the same
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            place = getattr(error, "colno", 0)
            return Reject(number, "no_json", cut(text.rstrip()), values={"place": place, "why": _why(error)})
        if not _is_text(value):
            return Reject(number, "wrong_bytes", cut(text.rstrip()))
    if not isinstance(value, dict):
        return Reject(number, "no_object", cut(text.rstrip()))
    return Item(number, value, len(text))


def _is_text(value: Any) -> bool:
    """Say whether all letters of a value are whole: half a pair, which JSON can hold, is no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _why(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "too deep"


def whole(stream: BinaryIO, encoding: str, name: str) -> Iterator[Item | Reject]:
    """Give the rows of a JSON file. Raises UnreadableError, naming line and column, where it is damaged."""
    text = _Text(io.BufferedReader(stream, _BLOCK) if isinstance(stream, io.RawIOBase) else stream, encoding, name)
    first = text.peek()
    if first == "[":
        yield from _array(text)
    elif first == "{":
        yield from _object(text)
    else:
        raise UnreadableError("no_rows_json", file=name)


class _Text:
    """The text of a file as far as it was read, and where in it we are."""

    def __init__(self, stream: BinaryIO, encoding: str, name: str) -> None:
        self._stream, self._name = stream, name
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._buffer, self._at, self._is_over = "", 0, False
        self._line, self._read = 1, 0

    def peek(self) -> str:
        """Give the next character that is no blank, empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go on behind the next character."""
        self._at += 1

    def line(self) -> int:
        """Give the number of the line of the next character."""
        return self._line + self._buffer.count("\n", 0, self._at)

    def value(self) -> tuple[Any, int]:
        """Give the next value and its size in characters. Raises UnreadableError for none, or one that is too large."""
        wanted = _BLOCK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise self.damaged("too deep", self._at) from None
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > MOST_LINE_BYTES:
                    raise self.damaged("a value of more than 16 MB", self._at) from None
                if not self._more(wanted):
                    raise self.damaged(error.msg, error.pos) from None
                wanted *= 2
                continue
            if end == len(self._buffer) and self._more():  # a number may go on
                continue
            size, self._at = end - self._at, end
            return value, size

    def rest(self) -> str:
        """Give all that is left. Raises UnreadableError for too much."""
        while self._more():
            if len(self._buffer) > MOST_WHOLE_BYTES:
                raise UnreadableError("json_too_large", file=self._name, most=MOST_WHOLE_BYTES)
        return self._buffer[self._at :]

    def damaged(self, why: str, place: int) -> UnreadableError:
        """Say where the text is no JSON."""
        before = self._buffer.rfind("\n", 0, place)
        line = self._line + self._buffer.count("\n", 0, place)
        return UnreadableError("broken_json", file=self._name, line=line, place=place - before, why=why)

    def _more(self, size: int = _BLOCK) -> bool:
        """Read on, and forget what is behind us."""
        if self._is_over:
            return False
        block = self._stream.read(size)
        self._is_over = not block
        try:
            text = self._decoder.decode(block, self._is_over)
        except UnicodeDecodeError:
            line = self._line + self._buffer.count("\n")
            raise UnreadableError("wrong_bytes_after", file=self._name, line=line) from None
        self._line += self._buffer.count("\n", 0, self._at)
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return bool(block)


def _array(text: _Text) -> Iterator[Item | Reject]:
    text.skip()
    if text.peek() == "]":
        return
    while True:
        text.peek()
        line = text.line()
        value, size = text.value()
        yield _item(value, line, size)
        mark = text.peek()
        text.skip()
        if mark == "]":
            return
        if mark != ",":
            raise text.damaged("a comma or the end of the list is missing", text._at - 1)


def _item(value: Any, line: int, size: int) -> Item | Reject:
    if not _is_text(value):
        return Reject(line, "wrong_bytes", cut(json.dumps(value)[:4000]))
    if isinstance(value, dict):
        return Item(line, value, size)
    return Reject(line, "no_object", cut(json.dumps(value, ensure_ascii=False)[:4000]))


def _object(text: _Text) -> Iterator[Item | Reject]:
    """Give the rows of lists by column, or of the one list of objects that the file holds."""
    content = text.rest()
    try:
        value = json.loads(content)
    except RecursionError:
        raise text.damaged("too deep", 0) from None
    except json.JSONDecodeError as error:
        raise text.damaged(error.msg, error.pos) from None
    lists = {name: column for name, column in value.items() if isinstance(column, list)}
    if len(lists) == 1 and all(isinstance(one, dict) for one in next(iter(lists.values()))):
        for number, row in enumerate(next(iter(lists.values())), 1):
            yield _item(row, number, 0)
        return
    if not lists or len(lists) < len(value):
        raise UnreadableError("no_rows_json", file=text._name)
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) > 1:
        raise UnreadableError("uneven_lists", file=text._name, lengths=dict(list(lengths.items())[:20]))
    for number, values in enumerate(zip(*lists.values(), strict=True), 1):
        yield _item(dict(zip(lists, values, strict=True)), number, 0)


def items_of(stream: BinaryIO, kind: str, encoding: str, name: str) -> Iterator[Item | Reject]:
    """Give the rows of either form."""
    return lines_of(Lines(stream, encoding)) if kind == "jsonl" else whole(stream, encoding, name)


_DECODER = json.JSONDecoder()
