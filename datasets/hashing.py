"""Where a row falls: a number that its key alone decides, on any machine and in every later version. No Django.

The position of a key is the first eight bytes, big endian, of the BLAKE2b of its UTF-8 text, keyed with the seed in
decimal digits; shares cut the range from 0 to 2**64 in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl

BETWEEN, MISSING = "\x1f", "\x00"
_WHOLE = 2**64


def key_texts(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Give the key of each row as text: the value of one column, or of several with U+001F between them.

    `None` where all of them are missing.
    """
    texts = [as_text(name, frame.schema[name]) for name in columns]
    if len(texts) == 1:
        return frame.select(texts[0].alias("key"))["key"]
    joined = pl.concat_str([text.fill_null(MISSING) for text in texts], separator=BETWEEN)
    is_missing = pl.all_horizontal(text.is_null() for text in texts)
    return frame.select(pl.when(is_missing).then(None).otherwise(joined).alias("key"))["key"]


def as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """Give a column as text: lists with U+001E between their values, durations in microseconds."""
    if isinstance(kind, pl.List):
        items = _plain(pl.element(), kind.inner).fill_null(MISSING)
        return pl.col(name).list.eval(items).list.join("\x1e")
    return _plain(pl.col(name), kind)


def _plain(values: pl.Expr, kind: Any) -> pl.Expr:
    return (values.dt.total_microseconds() if kind == pl.Duration else values).cast(pl.String)


def positions(keys: pl.Series, seed: int) -> pl.Series:
    """Give the position of each key, UInt64; keys have no missing ones."""
    secret = str(seed).encode()
    digests = b"".join(blake2b(key.encode(), digest_size=8, key=secret).digest() for key in keys)
    return pl.Series("position", np.frombuffer(digests, ">u8").astype(np.uint64))


def places(at: pl.Series, shares: Sequence[float]) -> pl.Series:
    """Give for each position the number of the share that it falls into, UInt8."""
    parts = [Fraction(str(share)) for share in shares]
    borders = [int(end / sum(parts) * _WHOLE) for end in accumulate(parts[:-1])]
    found = np.searchsorted(np.array(borders, np.uint64), at.to_numpy(), side="right")
    return pl.Series("place", found.astype(np.uint8))
