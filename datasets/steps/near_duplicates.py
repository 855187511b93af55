"""Rows whose text is nearly that of another row, or of a row of an earlier version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table
from datasets.steps import params
from datasets.steps.banding import EARLIER, band_keys, linked
from datasets.steps.base import Context, Schema, Step, at, column_of, step
from datasets.steps.comparing import CASE, FORM, SPACE, comparable, ignores
from datasets.steps.duplicates import BEST, FIRST, KEEP, ranked
from datasets.steps.judging import MARKS, judged, told
from datasets.steps.shingles import CHARACTERS, WORDS, shingled
from datasets.steps.verifying import NUMBER, RANK, TEXT, Verifier, meeting, meetings

DROP, MARK = "drop", "mark"
LOOKED_AT = 20_000  # characters of a text


@step
@dataclass(frozen=True)
class NearDuplicates(Step):
    """Finds pairs by MinHash and bands, and judges each by the true Jaccard likeness of its sets of shingles."""

    kind = "near_duplicates"
    label = _("Remove near duplicates")
    help = _(
        "Texts count as near duplicates when they share so much of their shingles (pieces of a few characters or "
        "words). Every pair is measured exactly before anything is dropped. The first 20,000 characters of a text "
        "count; empty texts are left alone, and one shorter than a shingle is near only to its equal."
    )
    family = "duplicates"
    icon = "join_inner"

    column: str = params.column(_("column"), wants="text")
    threshold: float = params.number(
        _("likeness"), default=0.8, least=0.5, most=1, is_whole=False, help=_("Shared shingles among all of both.")
    )
    by: str = params.choice(
        _("shingles of"), ((CHARACTERS, _("characters (better for Korean)")), (WORDS, _("words"))), default=CHARACTERS
    )
    size: int = params.number(_("characters or words in a shingle"), default=5, least=1, most=20)
    ignored: tuple[str, ...] = ignores(default=(CASE, SPACE, FORM))
    keep: str = params.choice(
        _("which row stays"), tuple(one for one in KEEP if one[0] in {FIRST, BEST}), default=FIRST
    )
    best: str = params.column(_("column of the largest value"), default="", shown_if=("keep", (BEST,)))
    against: str = params.text(
        _("earlier version"),
        default="",
        form="version",
        help=_("Rows near to one of this version go too; its column has the same name. The report tells which row."),
    )
    action: str = params.choice(
        _("what is done"),
        (
            (DROP, _("drop them")),
            (MARK, _("mark them by the columns near_group, near_of (rows from 0), near_earlier and likeness")),
        ),
        default=DROP,
    )

    def out_schema(self, schema: Schema) -> Schema:
        """Give the same columns, with the marks where wanted."""
        column_of(schema, self.column, parameter="column", wanted="text")
        if self.keep == BEST:
            column_of(schema, self.best, parameter="best")
        if self.action != MARK:
            return schema
        if taken := [name for name in MARKS if name in schema]:
            said = gettext("There is a column “%(name)s” already.") % {"name": taken[0]}
            raise Invalid(said, code="column_exists", fields={"action": said})
        return {**schema, **MARKS}

    def run(self, table: Table, context: Context) -> Table:
        """Find, measure, and drop or mark."""
        texts = table.map(self.own)
        if self.against:
            earlier = context.other(self.against)
            column_of(earlier.schema, self.column, parameter="against", wanted="text")
            texts = texts.concat(earlier.map(partial(self.earlier, texts.schema[RANK])))
        links = texts.exchange(self.keyed, self.decide)
        verifier = Verifier(self.threshold, self.size, self.by)
        pairs = texts.attach(links.exchange(meeting, meetings)).exchange(verifier.keyed, verifier.decide)
        facts = judged(pairs.fold(_same, pl.concat), is_best=self.keep == BEST)
        context.report(**told(facts))
        if self.action == MARK:
            return table.attach(facts.select(ROW, *MARKS))
        return table.attach(facts.filter(pl.col("near_of").is_not_null()).select(ROW), "anti")

    def own(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the texts of this data, and what is best of them."""
        rank = ranked(frame, self.best) if self.keep == BEST else pl.lit(None, pl.Int64)
        return self._texts(frame, rank, is_earlier=False)

    def earlier(self, kind: pl.DataType, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the texts of an earlier version, and the numbers of their rows there."""
        return self._texts(frame, pl.lit(None, kind), is_earlier=True)

    def _texts(self, frame: pl.DataFrame, rank: pl.Expr, *, is_earlier: bool) -> pl.DataFrame:
        by_words = (SPACE,) if self.by == WORDS else ()
        text = comparable(at(self.column).str.head(LOOKED_AT), (*self.ignored, *by_words))
        number = pl.col(ROW) if is_earlier else pl.lit(None, pl.Int64)
        return frame.select(
            ROW, text.alias(TEXT), rank.alias(RANK), number.alias(NUMBER), pl.lit(is_earlier).alias(EARLIER)
        )

    def keyed(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Give the keys of the bands of each text."""
        pieces = shingled(texts[TEXT], size=self.size, by=self.by)
        keys = [band_keys(some, texts.slice(first, len(some.ends)), self.threshold) for first, some in pieces]
        return pl.concat(keys)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Give the pairs to be measured."""
        return linked(keys, self.threshold)


def _same(frame: pl.DataFrame) -> pl.DataFrame:
    return frame
