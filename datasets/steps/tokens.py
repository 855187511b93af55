"""Texts as tokens: their numbers, how many there are, and texts cut at their borders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table, widened
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, at, column_of, new_column, step
from datasets.steps.rewriting import rewritten
from datasets.steps.tokenizing import IDS, Tokens, check_reference, tokenizer

_MOST_CHUNKS = 1024
_COUNTER = "__counter"
_TEXTS_AT_ONCE = 256
Result = TypeVar("Result")


@dataclass(frozen=True)
class TokenStep(Step):
    """A step that needs a tokenizer on one column of text."""

    family = "tokens"
    column: str = params.column(_("column"), wants="text")
    tokenizer: str = tokenizer()

    def out_schema(self, schema: Schema) -> Schema:
        """Give the same columns; the column must be text."""
        column_of(schema, self.column, parameter="column", wanted="text")
        check_reference(self.tokenizer)
        return schema


@step
@dataclass(frozen=True)
class Tokenize(TokenStep):
    """Puts the numbers of the tokens, or how many there are, into a column."""

    kind = "tokenize"
    label = _("Tokenize")
    help = _(
        "Adds a column with the numbers of the tokens of a text, or with how many there are. Missing stays missing."
    )
    icon = "tag"

    what: str = params.choice(
        _("what is added"),
        (("ids", _("the numbers of the tokens")), ("count", _("how many tokens there are"))),
        default="ids",
    )
    into: str = params.text(_("new column"), default="tokens")
    has_special: bool = params.flag(
        _("with special tokens"), help=_("As the tokenizer puts them at the beginning and the end.")
    )

    def out_schema(self, schema: Schema) -> Schema:
        """Add the column, or put it in place of one of this name."""
        schema = super().out_schema(schema)
        new_column(self.into, parameter="into")
        return {**schema, self.into: IDS if self.what == "ids" else pl.Int64()}

    def run(self, table: Table, context: Context) -> Table:
        """Tokenize every frame."""
        return table.map(partial(self.tokenized, Tokens.of(self.tokenizer, context, has_special=self.has_special)))

    def tokenized(self, tokens: Tokens, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the column."""
        found = tokens.ids(frame[self.column])
        if self.what == "count":
            found = found.list.len().cast(pl.Int64)
        return frame.with_columns(found.alias(self.into))


@step
@dataclass(frozen=True)
class TruncateTokens(TokenStep):
    """Cuts texts after so many tokens."""

    kind = "truncate_tokens"
    label = _("Truncate to tokens")
    help = _(
        "Cuts a text at the border of a token, so that it has at most so many. What it keeps stays as it was written."
    )
    icon = "content_cut"

    most: int = params.number(_("most tokens"), default=512, least=1, most=1_000_000)
    keeps: str = params.choice(_("what stays"), (("start", _("the beginning")), ("end", _("the end"))), default="start")

    def run(self, table: Table, context: Context) -> Table:
        """Cut every frame."""
        return table.map(partial(self.truncated, Tokens.of(self.tokenizer, context)))

    def truncated(self, tokens: Tokens, frame: pl.DataFrame) -> pl.DataFrame:
        """Cut the texts that are too long."""
        texts = frame[self.column]
        is_long = tokens.ids(texts).list.len() > self.most
        return frame.with_columns(
            rewritten(texts, is_long, lambda some: pl.Series(some.name, _each(some, tokens, self.cut), dtype=pl.String))
        )

    def cut(self, text: str, offsets: list[tuple[int, int]]) -> str:
        """Give the text without the tokens that are too many."""
        if len(offsets) <= self.most:
            return text
        if self.keeps == "start":
            return text[: offsets[self.most - 1][1]]
        return text[offsets[-self.most][0] :]


@step
@dataclass(frozen=True)
class ChunkTokens(TokenStep):
    """Makes several rows of a long text."""

    kind = "chunk_tokens"
    label = _("Cut into chunks of tokens")
    help = _(
        "Makes a row of every so many tokens of a text; neighbours share some of them. The other columns are repeated, "
        "and a column tells which chunk of its text it is, from 0."
    )
    icon = "splitscreen"

    size: int = params.number(_("tokens in a chunk"), default=256, least=1, most=1_000_000)
    overlap: int = params.number(_("tokens shared with the chunk before"), default=32, least=0, most=1_000_000)
    into: str = params.text(_("column of the number"), default="chunk")

    def out_schema(self, schema: Schema) -> Schema:
        """Add the number of the chunk."""
        schema = super().out_schema(schema)
        new_column(self.into, parameter="into")
        if self.overlap >= self.size:
            said = gettext("Chunks cannot share more tokens than they have.")
            raise Invalid(said, fields={"overlap": said})
        if self.into in schema:
            said = gettext("There is a column “%(name)s” already.") % {"name": self.into}
            raise Invalid(said, fields={"into": said})
        return {**schema, self.into: pl.Int64()}

    def run(self, table: Table, context: Context) -> Table:
        """Cut every frame."""
        return table.widen(partial(self.chunked, Tokens.of(self.tokenizer, context)))

    def chunked(self, tokens: Tokens, frame: pl.DataFrame) -> pl.DataFrame:
        """Give a row for each chunk; a missing or empty text stays one row."""
        texts = frame[self.column]
        is_long = (tokens.ids(texts).list.len() > self.size).fill_null(value=False)
        cut = iter([some or [] for some in _each(texts.filter(is_long), tokens, self.cut)])
        pieces: list[list[str]] = [next(cut) if long else [text] for text, long in zip(texts, is_long, strict=True)]
        most, row = max(((len(some), row) for some, row in zip(pieces, frame[ROW], strict=True)), default=(0, 0))
        if most > _MOST_CHUNKS:
            said = gettext(
                "The text of row %(row)d makes %(count)d chunks, and %(most)d are possible: make them larger."
            )
            said %= {"row": row + 1, "count": most, "most": _MOST_CHUNKS}
            raise Invalid(said, fields={"size": said})
        wide = frame.with_columns(
            pl.Series(self.column, pieces, dtype=pl.List(pl.String)),
            pl.Series(self.into, [range(len(some)) for some in pieces], dtype=pl.List(pl.Int64)),
        )
        wide = wide.explode(self.column, self.into)
        return widened(wide.with_columns(at(self.into).alias(_COUNTER)), _COUNTER)

    def cut(self, text: str, offsets: list[tuple[int, int]]) -> list[str]:
        """Give the chunks of a text that has more tokens than one of them."""
        found = []
        for start in range(0, len(offsets) - self.overlap, self.size - self.overlap):
            end = offsets[min(start + self.size, len(offsets)) - 1][1]
            begin = max(
                offsets[start][0], offsets[start - 1][1] if start else 0
            )  # a letter of several bytes goes whole
            found.append(text[begin:end])
        return [piece for piece in found if piece]


def _each(
    texts: pl.Series, tokens: Tokens, function: Callable[[str, list[tuple[int, int]]], Result]
) -> list[Result | None]:
    """Give what the function makes of each text and the places of its tokens; `None` of a missing one."""
    found: list[Result | None] = []
    for some in texts.to_frame().iter_slices(_TEXTS_AT_ONCE):
        values = some.to_series().to_list()
        places = tokens.offsets([value or "" for value in values])
        found += [None if value is None else function(value, at) for value, at in zip(values, places, strict=True)]
    return found
