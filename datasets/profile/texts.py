"""What some of the texts of a column look like: their script, what hides in them, and how long they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

LONGEST = 2000  # characters of a text that are looked at
MOST_OF = 0.7  # of the letters of a text that is said to be in one script
_LETTERS = {
    "hangul": r"\p{Hangul}",
    "latin": r"\p{Latin}",
    "han": r"\p{Han}",
    "kana": r"[\p{Hiragana}\p{Katakana}]",
}
# Cheap and generous: they say where to look. Masking is a step of a recipe, and looks closely.
PERSONAL = {
    "email": r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}",
    "phone": r"(?:^|\D)(?:\+?82[- .]?|0)1[016789][- .]?\d{3,4}[- .]?\d{4}(?:\D|$)",
    "resident_number": r"(?:^|\D)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[- ]?[1-8]\d{6}(?:\D|$)",
    "card": r"(?:^|\D)(?:\d{4}[- ]){3}\d{4}(?:\D|$)",
    "ip": r"(?:^|[^\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:[^\d.]|$)",
}
_NUMBER = r"^\s*[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?\s*$"


def _script() -> pl.Expr:
    """Name the script of a text: that of seven letters in ten, else mixed; digits where there are no letters."""
    text = pl.col("text")
    letters = pl.max_horizontal(text.str.count_matches(r"\p{L}"), pl.lit(1)).cast(pl.Float64)
    said = pl.when(~text.str.contains(r"\p{L}"))
    chosen: Any = said.then(pl.when(text.str.contains(r"\d")).then(pl.lit("digits")).otherwise(pl.lit("other")))
    for name, pattern in _LETTERS.items():
        chosen = chosen.when(text.str.count_matches(pattern) / letters >= MOST_OF).then(pl.lit(name))
    return chosen.otherwise(pl.lit("mixed"))


def _tokens() -> pl.Expr:
    """Guess how many tokens a text has: two in three Hangul syllables, one in four other letters, each other sign.

    A rule of thumb for vocabularies of a hundred thousand; the step that counts tokens is exact.
    """
    text = pl.col("text")
    hangul = text.str.count_matches(r"[\p{Hangul}\p{Han}]")
    letters = text.str.count_matches(r"[\p{L}\d]") - hangul
    rest = text.str.count_matches(r"[^\p{L}\d\s]")
    return hangul * (2 / 3) + letters / 4 + rest


@dataclass(slots=True)
class Texts:
    """Counts over the texts that were looked at."""

    seen: int = 0
    words: int = 0
    tokens: float = 0.0
    scripts: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)

    def add(self, texts: pl.Series) -> None:
        """Look at some texts."""
        frame = texts.alias("text").str.slice(0, LONGEST).to_frame().filter(pl.col("text").str.contains(r"\S"))
        if not len(frame):
            return
        text = pl.col("text")
        hidden = {name: text.str.contains(pattern).sum() for name, pattern in PERSONAL.items()}
        hidden |= {
            "numeric": text.str.contains(_NUMBER).sum(),
            "garbled": text.str.contains("\ufffd", literal=True).sum(),
            "decomposed": text.str.contains(r"[\u1100-\u11ff]").sum(),
            "markup": text.str.contains(r"</?[A-Za-z][^<>]{0,100}>").sum(),
        }
        counted = frame.select(text.str.count_matches(r"\S+").sum().alias("words"), _tokens().sum().alias("tokens"))
        self.seen += len(frame)
        self.words += counted["words"][0]
        self.tokens += counted["tokens"][0]
        for name, count in frame.select(_script().alias("script")).group_by("script").len().iter_rows():
            self.scripts[name] = self.scripts.get(name, 0) + count
        for name, count in frame.select(**hidden).row(0, named=True).items():
            self.found[name] = self.found.get(name, 0) + count

    def told(self) -> dict[str, Any]:
        """Give shares of the texts that were looked at, those that are none left out."""
        if not self.seen:
            return {}
        found = {name: count / self.seen for name, count in self.found.items() if count}
        return {
            "looked_at": self.seen,
            "words": self.words / self.seen,
            "tokens": self.tokens / self.seen,
            "scripts": {name: count / self.seen for name, count in sorted(self.scripts.items(), key=lambda o: -o[1])},
            "personal": {name: share for name, share in found.items() if name in PERSONAL},
            **{name: share for name, share in found.items() if name not in PERSONAL},
        }
