"""Tokenizers trained on the texts of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import KEY, ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, columns_of, step
from datasets.steps.rewriting import lowered, normalised, single_spaced
from datasets.steps.shingles import CHARACTERS, shingled
from datasets.steps.tokenizing import Tokens, file_of, is_name
from datasets.steps.vocabulary import BPE, UNIGRAM, WORDPIECE, Plan

_LONGEST_WORD = 100
_MOST_WORDS = 300_000
_WORD, _COUNT = "word", "count"
_MODELS = (
    (BPE, _("BPE: joins the commonest neighbours")),
    (UNIGRAM, _("Unigram: keeps the likeliest pieces")),
    (WORDPIECE, _("WordPiece: as BERT has it")),
)


@step
@dataclass(frozen=True)
class TrainTokenizer(Step):
    """Counts all words exactly, in bounded memory, and trains on the commonest `_MOST_WORDS`."""

    kind = "train_tokenizer"
    label = _("Train a tokenizer")
    help = _(
        "Learns pieces of words from the texts and keeps them as tokenizer.json; rows stay as they are. Steps after "
        "this one use it by its name, other recipes choose it as a file. Words of more than 100 characters are left "
        "out, and of very many words the 300,000 commonest count. The same rows give the same file."
    )
    family = "tokens"
    icon = "school"

    columns: tuple[str, ...] = params.columns(_("columns"), wants="text")
    name: str = params.text(_("name"), default="tokens", help=_("Steps after this one use it by this name."))
    model: str = params.choice(_("model"), _MODELS, default=BPE)
    size: int = params.number(_("size of the vocabulary"), default=16_000, least=500, most=250_000)
    special: tuple[str, ...] = params.lines(
        _("special tokens"),
        default=("<unk>", "<s>", "</s>", "<pad>"),
        help=_("One a line; the first stands for what is unknown."),
    )
    form: str = params.choice(_("normal form"), (("NFC", "NFC"), ("NFKC", "NFKC"), ("", _("none"))), default="NFC")
    lower: bool = params.flag(_("lower case"))
    has_bytes: bool = params.flag(
        _("bytes for unknown characters"),
        default=True,
        help=_("No text is unknown then: 256 tokens stand for the bytes of rare characters."),
        shown_if=("model", (BPE, UNIGRAM)),
    )
    least: int = params.number(_("a word counts from so many times"), default=2, least=1, most=1000)

    def out_schema(self, schema: Schema) -> Schema:
        """Give the same columns."""
        columns_of(schema, self.columns, parameter="columns", wanted="text")
        if not is_name(self.name):
            raise _wrong("name", gettext("A name has letters, digits, spaces and hyphens, at most 50."))
        if any(not token or any(one.isspace() for one in token) for token in self.special):
            raise _wrong("special", gettext("A special token has no white space."))
        if len(set(self.special)) < len(self.special) or not self.special:
            raise _wrong("special", gettext("At least one special token is needed, and none twice."))
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Count, train, and keep the file."""
        words = table.exchange(self.counted, self.summed).fold(commonest, lambda found: commonest(pl.concat(found)))
        if not len(words):
            raise _wrong("columns", gettext("There are no words to learn from."))
        has_bytes = self.has_bytes and self.model != WORDPIECE
        plan = Plan(self.model, self.size, self.special, self._forms(), has_bytes)
        try:
            content = plan.train(list(zip(words[_WORD].to_list(), words[_COUNT].to_list(), strict=True)))
        except RuntimeError as error:  # SentencePiece: more characters than the vocabulary has room for
            raise _wrong(
                "size", gettext("A tokenizer of this size cannot be trained: %(why)s.") % {"why": error}
            ) from None
        digest = context.keep(file_of(self.name), content)
        size = Tokens(content).size
        context.report(
            name=self.name, tokenizer=digest, vocabulary=size, words=len(words), seen=int(words[_COUNT].sum())
        )
        return table

    def counted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the words of a frame with how often each came."""
        texts = pl.concat([self._seen(frame.get_column(name)).alias(_WORD) for name in self.columns])
        words = texts.str.split(" ").explode(empty_as_null=True).drop_nulls()
        length = words.str.len_chars()
        counts = (
            words.filter((length > 0) & (length <= _LONGEST_WORD)).value_counts(name=_COUNT).rename({words.name: _WORD})
        )
        keys = [some.hashes for _first, some in shingled(counts[_WORD], size=_LONGEST_WORD + 1, by=CHARACTERS)]
        first = int(frame[ROW][0]) if len(frame) else 0
        return counts.select(
            pl.Series(KEY, np.concatenate(keys)),
            pl.lit(first, pl.Int64).alias(ROW),
            _WORD,
            pl.col(_COUNT).cast(pl.Int64),
        )

    def summed(self, counts: pl.DataFrame) -> pl.DataFrame:
        """Put the counts of each word together."""
        words = counts.group_by(_WORD, maintain_order=True).agg(pl.col(ROW).first(), pl.col(_COUNT).sum())
        return words.filter(pl.col(_COUNT) >= self.least).select(ROW, _WORD, _COUNT)

    def _forms(self) -> tuple[str, ...]:
        return (*([self.form] if self.form else []), *(["Lowercase"] if self.lower else []))

    def _seen(self, text: pl.Series) -> pl.Series:
        """Give texts as the tokenizer will see them."""
        text = normalised(text, self.form) if self.form else text
        return single_spaced(lowered(text) if self.lower else text)


def commonest(words: pl.DataFrame) -> pl.DataFrame:
    """Give the words that come most often."""
    return words.sort([_COUNT, _WORD], descending=[True, False]).head(_MOST_WORDS)


def _wrong(parameter: str, said: str) -> Invalid:
    return Invalid(said, fields={parameter: said})
