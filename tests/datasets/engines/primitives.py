"""What a table can do, each as steps use it; every engine must give the same of the same rows."""

import operator
from functools import reduce

import polars as pl

from datasets.engines.table import KEY, ROW, widened
from datasets.hashing import positions


def small_key(frame):
    """Key rows by their text, so that several share one."""
    return frame.select(ROW, "number", positions(frame["text"].fill_null("?"), 7).alias(KEY))


def two_keys(frame):
    """Give each row two keys, neither spread evenly."""
    one = frame.select(ROW, (pl.col(ROW) % 3).cast(pl.UInt64).alias(KEY))
    return pl.concat([one, one.with_columns(pl.col(KEY) + (1 << 40))])


def later(keys):
    """Give all rows of a key but the first, and the first."""
    return keys.with_columns(pl.col(ROW).first().over(KEY).alias("first")).filter(pl.col(ROW) != pl.col("first"))


def upper(frame):
    return frame.with_columns(pl.col("text").str.to_uppercase(), pl.lit(1).alias("new")).drop("day")


def even(frame):
    return frame.filter(pl.col("count") % 2 == 0)


def exploded(frame):
    some = frame.with_columns(pl.int_ranges(0, pl.col(ROW) % 3, dtype=pl.Int64).alias("n"))
    return widened(some.explode("n", empty_as_null=False), "n")


def often(table, times):
    """Give each row a number far from the others, again and again."""
    for _time in range(times):
        table = table.widen(lambda frame: widened(frame.with_columns(pl.lit(1023).alias("n")), "n"))
    return table


def dropped(table):
    facts = table.exchange(small_key, later)
    return table.attach(facts.map(lambda keys: keys.select(ROW)), "anti")


def chained(table):
    """Find groups, then what is in them, as near duplicates are found."""
    texts = table.map(lambda frame: frame.select(ROW, "text"))
    links = texts.exchange(two_keys, lambda keys: keys.select(ROW, KEY).unique(maintain_order=True))
    largest = lambda keys: keys.group_by(ROW, maintain_order=True).agg(pl.len().alias("n"))  # noqa: E731
    pairs = links.exchange(lambda keys: keys.select(ROW, pl.col(ROW).cast(pl.UInt64).alias(KEY)), largest)
    facts = texts.attach(pairs)
    return table.attach(facts.map(lambda rows: rows.select(ROW, "n", pl.col("text").alias("again"))))


def mirrored(frame):
    return 10_000 - frame[ROW] * 3


def gathered(frame):
    return frame["text"].to_list()


def joined(found):
    return reduce(operator.add, found, [])


PRIMITIVES = {
    "map": lambda table: table.map(upper).map(even),
    "widen": lambda table: table.widen(exploded).map(upper).widen(exploded),
    "widen_often": lambda table: often(table, 9),
    "widen_then": lambda table: dropped(often(table.reorder(mirrored), 6).concat(often(table, 7)).widen(exploded)),
    "fold": lambda table: table.map(even).fold(gathered, joined),
    "fold_rows": lambda table: table.map(even).fold(len, sum),
    "exchange": lambda table: table.map(upper).exchange(small_key, later),
    "attach": lambda table: table.attach(table.exchange(small_key, later).map(lambda keys: keys.drop(KEY, "number"))),
    "attach_few": lambda table: table.attach(pl.DataFrame({ROW: [0, 3, 99]}, {ROW: pl.Int64}), "semi"),
    "semi": lambda table: table.map(even).attach(table.exchange(two_keys, later), "semi"),
    "anti": dropped,
    "chained": chained,
    "reorder": lambda table: table.map(even).reorder(mirrored),
    "reorder_then": lambda table: dropped(table.reorder(mirrored).map(upper).map(even)),
    "concat": lambda table: table.map(even).concat(table.map(even)).map(upper),
    "concat_reordered": lambda table: dropped(table.concat(table.reorder(mirrored))),
    "facts_of_facts": lambda table: (
        table.exchange(small_key, later).map(lambda keys: keys.drop("number")).attach(table.map(upper))
    ),
}
