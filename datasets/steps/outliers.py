"""A step for numbers far from the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, at, columns_of, step
from datasets.steps.exact import Deviations, Means, Quantiles

Bounds = Mapping[str, tuple[float, float]]


@step
@dataclass(frozen=True)
class Outliers(Step):
    """Numbers far from the others. Source: Tukey 1977 (fences of quartiles)."""

    kind, label, family, icon = "outliers", _("Outliers"), "rows", "query_stats"
    help = _(
        "Finds numbers far from the others of their column (beyond so many interquartile ranges or "
        "standard deviations, or outside of percentiles) and draws them to the border, makes them missing "
        "or drops their rows. Missing values and NaN stay. Whole numbers stay whole."
    )
    columns: tuple[str, ...] = params.columns(_("columns"), wants="number")
    method: str = params.choice(
        _("far is"),
        [
            ("iqr", _("beyond interquartile ranges from the quartiles")),
            ("zscore", _("beyond standard deviations from the mean")),
            ("percentiles", _("outside of percentiles")),
        ],
        default="iqr",
    )
    ranges: float = params.number(
        _("interquartile ranges"), default=1.5, is_whole=False, least=0, most=1000, shown_if=("method", ("iqr",))
    )
    deviations: float = params.number(
        _("standard deviations"), default=3, is_whole=False, least=0, most=1000, shown_if=("method", ("zscore",))
    )
    low: float = params.number(
        _("lower percentile"), default=1, is_whole=False, least=0, most=100, shown_if=("method", ("percentiles",))
    )
    high: float = params.number(
        _("upper percentile"), default=99, is_whole=False, least=0, most=100, shown_if=("method", ("percentiles",))
    )
    action: str = params.choice(
        _("then"),
        [("clip", _("drawn to the border")), ("missing", _("made missing")), ("drop", _("row dropped"))],
        default="clip",
    )

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay."""
        columns_of(schema, self.columns, parameter="columns", wanted="number")
        if self.method == "percentiles" and self.low >= self.high:
            said = gettext("This is not above the lower percentile.")
            raise Invalid(said, fields={"high": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Find the borders in all rows, then do it to every frame."""
        bounds = self._bounds(table)
        outside = table.fold(
            partial(self.outside, bounds), lambda found: [sum(one) for one in zip(*found, strict=True)]
        )
        told = {name: {"from": _told(low), "to": _told(high)} for name, (low, high) in bounds.items()}
        context.report(bounds=told, outliers=dict(zip(bounds, outside, strict=False)))
        return table.map(partial(self.apply, bounds))

    def _bounds(self, table: Table) -> Bounds:
        if self.method == "zscore":
            means = Means(self.columns).of(table)
            spread = Deviations(means).of(table)
            reach = {name: self.deviations * (spread[name] or 0.0) for name in means}
            return {name: (mean - reach[name], mean + reach[name]) for name, mean in means.items() if mean is not None}
        borders = (0.25, 0.75) if self.method == "iqr" else (self.low / 100, self.high / 100)
        reach_of = self.ranges if self.method == "iqr" else 0.0
        found = Quantiles(self.columns, borders).of(table)
        return {
            name: (low - reach_of * (high - low), high + reach_of * (high - low))
            for name, (low, high) in ((name, pair) for name, pair in found.items() if pair)
        }

    def outside(self, bounds: Bounds, frame: pl.DataFrame) -> list[int]:
        """Count the outliers of each column."""
        if not bounds:
            return []
        return list(frame.select(_is_outside(name, pair).sum().alias(name) for name, pair in bounds.items()).row(0))

    def apply(self, bounds: Bounds, frame: pl.DataFrame) -> pl.DataFrame:
        """Clip, make missing or drop."""
        if self.action == "drop":
            gone = [_is_outside(name, pair) for name, pair in bounds.items()]
            return frame.filter(~pl.any_horizontal(gone)) if gone else frame
        made = []
        for name, (low, high) in bounds.items():
            value, kind = at(name).cast(pl.Float64), frame.schema[name]
            border = (
                pl.when(value < low)
                .then(pl.lit(low).ceil() if kind.is_integer() else low)
                .otherwise(pl.lit(high).floor() if kind.is_integer() else high)
            )
            instead = border.cast(kind, strict=False) if self.action == "clip" else pl.lit(None, kind)
            made.append(pl.when(_is_outside(name, (low, high))).then(instead).otherwise(at(name)).alias(name))
        return frame.with_columns(made)


def _is_outside(name: str, bounds: tuple[float, float]) -> pl.Expr:
    value = at(name).cast(pl.Float64)
    return (((value < bounds[0]) | (value > bounds[1])) & value.is_not_nan()).fill_null(value=False)


def _told(bound: float) -> float | str:
    return bound if math.isfinite(bound) else str(bound)  # JSON knows no infinity
