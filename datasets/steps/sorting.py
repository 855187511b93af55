"""A step that sorts all rows by columns, however many there are.

A sample of the rows gives borders; rows between two borders meet in one bucket and learn their place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import KEY, ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, at, columns_of, step
from datasets.steps.chance import scattered

BUCKET_ROWS = 50_000
SAMPLED = 20_000
_CHANCE, _BORDER, _PLACE = "__chance", "__border", "__place"


@step
@dataclass(frozen=True)
class Sort(Step):
    """Rows in the order of columns."""

    kind, label, family, icon = "sort", _("Sort"), "rows", "sort"
    help = _(
        "Sorts the rows by columns, the first counts most; rows that are equal stay in their order, "
        "missing values come last."
    )
    columns: tuple[str, ...] = params.columns(_("columns"))
    descending: tuple[str, ...] = params.columns(_("of these from large to small"), default=())

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay; lists have no order."""
        for name in columns_of(schema, self.columns, parameter="columns"):
            if isinstance(schema[name], pl.List):
                said = gettext("The column “%(name)s” holds lists; they have no order.") % {"name": name}
                raise Invalid(said, code="wrong_type", fields={"columns": said})
        if set(self.descending) - set(self.columns):
            said = gettext("Only columns that are sorted by can be turned round.")
            raise Invalid(said, fields={"descending": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Find borders, learn the place of each row, and reorder."""
        buckets = -(-table.count() // BUCKET_ROWS)
        sample = self.ordered(table.fold(self.gather, sampled)) if buckets > 1 else None
        borders = None if sample is None else sample.gather([len(sample) * one // buckets for one in range(1, buckets)])
        found = table.exchange(partial(self.keyed, borders), self.decide)
        return table.attach(found).reorder(_place).map(_without_place)

    def gather(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give some rows of a frame, by chance."""
        return sampled([self._keys(frame).with_columns(pl.Series(_CHANCE, scattered(frame[ROW], 0)))])

    def keyed(self, borders: pl.DataFrame | None, frame: pl.DataFrame) -> pl.DataFrame:
        """Give each row its bucket: the number of borders before it."""
        keys = self._keys(frame).with_columns(pl.lit(0, pl.Int8).alias(_BORDER))
        if borders is not None:
            marks = borders.select(pl.exclude(_CHANCE)).with_columns(pl.lit(1, pl.Int8).alias(_BORDER))
            keys = self.ordered(pl.concat([keys, marks.select(keys.columns)]))
        bucket = pl.col(_BORDER).cum_sum().cast(pl.UInt64).alias(KEY)
        return keys.with_columns(bucket).filter(pl.col(_BORDER) == 0).drop(_BORDER)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Give the rows of each bucket their place."""
        places = [bucket.select(ROW, self._places(bucket)) for bucket in map(self.ordered, keys.partition_by(KEY))]
        return pl.concat(places) if places else keys.select(ROW, pl.lit(0, pl.Int64).alias(_PLACE))

    def _places(self, bucket: pl.DataFrame) -> pl.Series:
        return pl.Series(_PLACE, np.arange(len(bucket), dtype=np.int64) + (int(bucket[KEY][0]) << 32))

    def _keys(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(ROW, *(at(name).alias(f"__by{place}") for place, name in enumerate(self.columns)))

    def ordered(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Sort keys; a border stands before the row that it was taken from."""
        by = [f"__by{place}" for place in range(len(self.columns))]
        marks = [_BORDER] if _BORDER in keys.columns else []
        turned = [name in self.descending for name in self.columns]
        last = [True] * (len(by) + 1 + len(marks))
        return keys.sort(*by, ROW, *marks, descending=[*turned, False, *(True for _mark in marks)], nulls_last=last)


def sampled(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Give the rows to which chance gave the smallest numbers."""
    return pl.concat(list(found)).sort(_CHANCE).head(SAMPLED)


def _place(frame: pl.DataFrame) -> pl.Series:
    return frame[_PLACE]


def _without_place(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(_PLACE)
