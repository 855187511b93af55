"""When two cells count as the same although they are written differently."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import at
from datasets.steps.rewriting import CAPITAL, COMPOSED, SPACED, rewritten

CASE, SPACE, FORM = "case", "space", "form"
_IGNORED = (
    (CASE, _("upper and lower case")),
    (SPACE, _("white space at the ends, and how much of it there is")),
    (FORM, _("forms of one character (NFKC: full width, compatibility jamo, ligatures)")),
)
_UNSURE = {CASE: CAPITAL, SPACE: rf"{SPACED}|^ | $", FORM: COMPOSED}


def ignores(*, default: Sequence[str] = ()) -> Any:
    """The parameter of differences that do not count."""
    return params.choices(_("differences that do not count"), _IGNORED, default=tuple(default))


def comparable(text: pl.Expr, ignored: Sequence[str]) -> pl.Expr:
    """Give a text as it is compared."""
    if not ignored:
        return text
    unsure = "|".join(_UNSURE[one] for one in sorted(set(ignored)))
    plain = partial(_plain, ignored=frozenset(ignored))
    return text.map_batches(
        lambda texts: rewritten(texts, texts.str.contains(unsure), plain), return_dtype=pl.String, is_elementwise=True
    )


def _plain(text: pl.Series, ignored: Collection[str]) -> pl.Series:
    if FORM in ignored:
        text = text.str.normalize("NFKC")
    if CASE in ignored:
        text = text.str.to_lowercase()
    if SPACE in ignored:
        text = text.str.replace_all(r"\s+", " ").str.strip_chars(" ")
    return text


def digests(frame: pl.DataFrame, columns: Sequence[str], ignored: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """Give 128 bits of each row, as two UInt64: equal only where every column is; missing cells equal each other."""
    cells = [_written(at(name), frame.schema[name], ignored) for name in columns]
    rows = frame.select(pl.concat_str(cells).cast(pl.Binary).alias("row"))["row"].to_list()
    found = b"".join([blake2b(row, digest_size=16).digest() for row in rows])
    halves = np.frombuffer(found, "<u8").reshape(-1, 2)
    return pl.Series(halves[:, 0].copy()), pl.Series(halves[:, 1].copy())


def _written(cell: pl.Expr, kind: pl.DataType, ignored: Sequence[str]) -> pl.Expr:
    """Give a cell as text that no other value and no neighbour can imitate."""
    if isinstance(kind, pl.List):
        inner: pl.DataType = kind.inner  # type: ignore[assignment]
        return _framed(cell.list.eval(_written(pl.element(), inner, ignored)).list.join(""))
    if kind == pl.String:
        return _framed(comparable(cell, ignored))
    if kind.is_float():
        # -0.0 is 0.0; adding 0.0 would not always say so: Polars leaves it out of long columns.
        return _framed(pl.when(cell == 0).then(0.0).otherwise(cell).cast(pl.String))
    return _framed(cell.to_physical().cast(pl.String))


def _framed(text: pl.Expr) -> pl.Expr:
    length = text.str.len_bytes().cast(pl.String)
    return pl.when(text.is_null()).then(pl.lit("-")).otherwise(pl.concat_str(length, pl.lit(":"), text))
