"""Which language a text is in, by the shares of its scripts. No Django.

Of the letters of a text: kana at least a tenth is ja; else Hangul at least three tenths ko; else Han at least half zh;
else Latin at least half en (any language in Latin letters); else other. A text without letters has none ("").
"""

from __future__ import annotations

import polars as pl

LANGUAGES = ("ko", "en", "ja", "zh", "other", "")
LOOKED_AT = 10_000


def language(text: pl.Expr) -> pl.Expr:
    """Give the language of a text by its first characters."""
    head = text.str.head(LOOKED_AT)

    def count(what: str) -> pl.Expr:
        return head.str.count_matches(what).cast(pl.Float64)

    letters = count(r"\p{L}")
    found = (
        pl.when(letters == 0)
        .then(pl.lit(""))
        .when(count(r"[\p{Hiragana}\p{Katakana}]") >= letters * 0.1)
        .then(pl.lit("ja"))
        .when(count(r"\p{Hangul}") >= letters * 0.3)
        .then(pl.lit("ko"))
        .when(count(r"\p{Han}") >= letters * 0.5)
        .then(pl.lit("zh"))
        .when(count(r"\p{Latin}") >= letters * 0.5)
        .then(pl.lit("en"))
        .otherwise(pl.lit("other"))
    )
    return pl.when(text.is_null()).then(None).otherwise(found)
