"""What becomes of rows that are alike: which stay, and which row each of the others is told to be near to."""

from __future__ import annotations

from typing import Any

import polars as pl

from datasets.engines.table import ROW
from datasets.steps.banding import EARLIER, NEAR
from datasets.steps.grouping import groups
from datasets.steps.verifying import LIKENESS, NEAR_RANK, NUMBER, RANK

MARKS: dict[str, pl.DataType] = {
    "near_group": pl.Int64(),
    "near_of": pl.Int64(),
    "near_earlier": pl.Boolean(),
    "likeness": pl.Float64(),
}
_EXAMPLES = 10
_ROOT, _OTHER, _KEPT = "__root", "__other", "__kept"


def judged(pairs: pl.DataFrame, *, is_best: bool) -> pl.DataFrame:
    """Give a row for each row that is near to another: `ROW` and the marks; `near_of` is empty where the row stays.

    Rows near to one of an earlier version go first; of the groups of the others one row stays. `near_of` is the row
    that stays where the likeness to it was measured, else the one most alike.
    """
    earlier = _near_to_earlier(pairs.filter(EARLIER))
    gone = earlier[ROW].implode()
    among = pairs.filter(~pl.col(EARLIER), ~pl.col(ROW).is_in(gone), ~pl.col(NEAR).is_in(gone))
    return pl.concat([earlier, _near_to_each_other(among, is_best=is_best)]).sort(ROW)


def told(facts: pl.DataFrame) -> dict[str, Any]:
    """Count what goes, for the report, and name a few."""
    going = facts.filter(pl.col("near_of").is_not_null())
    few = going.head(_EXAMPLES).select(ROW, "near_of", "near_earlier", pl.col("likeness").round(4))
    names = ("row", "near_of", "is_earlier", "likeness")
    return {
        "groups": facts["near_group"].n_unique() - (facts["near_group"].null_count() > 0),
        "near": int(going["near_earlier"].not_().sum()),
        "near_earlier": int(going["near_earlier"].sum()),
        "examples": [dict(zip(names, row, strict=True)) for row in few.iter_rows()],
    }


def _near_to_earlier(pairs: pl.DataFrame) -> pl.DataFrame:
    first = pairs.sort(ROW, pl.col(LIKENESS).neg(), NUMBER).unique(ROW, keep="first", maintain_order=True)
    return first.select(
        ROW,
        pl.lit(None, pl.Int64).alias("near_group"),
        pl.col(NUMBER).alias("near_of"),
        pl.lit(value=True).alias("near_earlier"),
        pl.col(LIKENESS).alias("likeness"),
    )


def _near_to_each_other(pairs: pl.DataFrame, *, is_best: bool) -> pl.DataFrame:
    rows, roots = groups(pairs[ROW].to_numpy(), pairs[NEAR].to_numpy())
    members = pl.DataFrame({ROW: rows, _ROOT: roots}, schema={ROW: pl.Int64, _ROOT: pl.Int64})
    ways = [pairs.select(ROW, pl.col(NEAR).alias(_OTHER), LIKENESS, RANK)]
    ways.append(
        pairs.select(pl.col(NEAR).alias(ROW), pl.col(ROW).alias(_OTHER), LIKENESS, pl.col(NEAR_RANK).alias(RANK))
    )
    both = pl.concat(ways)
    if is_best:
        members = members.join(both.select(ROW, RANK).unique(ROW), on=ROW, how="left")
        members = members.sort(RANK, ROW, descending=[True, False], nulls_last=True)
    members = members.with_columns(pl.col(ROW).first().over(_ROOT).alias(_KEPT))
    near = both.join(members.select(ROW, _KEPT), on=ROW, how="left")
    near = near.sort(ROW, pl.col(_OTHER) != pl.col(_KEPT), pl.col(LIKENESS).neg(), _OTHER)
    near = near.unique(ROW, keep="first", maintain_order=True)
    stays = pl.col(ROW) == pl.col(_KEPT)
    return near.select(
        ROW,
        pl.col(_KEPT).alias("near_group"),
        pl.when(~stays).then(_OTHER).alias("near_of"),
        pl.when(~stays).then(pl.lit(value=False)).alias("near_earlier"),
        pl.when(~stays).then(LIKENESS).alias("likeness"),
    )
