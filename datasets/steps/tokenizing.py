"""Tokenizers as files: checked, read once a process, and applied to whole columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from common.strict_json import loads
from common.tokenizer_files import MOST_BYTES, check_tokenizer
from datasets.steps import params
from datasets.steps.base import Context
from datasets.steps.rewriting import single_spaced

IDS = pl.List(pl.Int64)
# The last normalisers of those that are trained here: words stand one space apart.
ENDS = [
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Strip", "strip_left": True, "strip_right": True},
]
_PLAIN = {"NFC", "NFKC", "Lowercase"}
_MOST_WORDS = 300_000  # kept with their tokens, in each process
_LONGEST_WORD = 100
_TEXTS_AT_ONCE = 256
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORD, _TEXT, _IDS = "word", "text", "ids"


def tokenizer() -> Any:
    """The parameter of a tokenizer: one that a step trained, or an uploaded `tokenizer.json`."""
    return params.text(
        _("tokenizer"),
        form="tokenizer",
        help=_(
            "One that was trained by a step, or an uploaded tokenizer.json; or a name that a step before this gave."
        ),
    )


def check_reference(reference: str) -> None:
    """Refuse what cannot name a tokenizer. Raises Invalid."""
    if not _DIGEST.fullmatch(reference) and not is_name(reference):
        said = gettext("This is no tokenizer: choose a file, or write the name that a step before this gives one.")
        raise Invalid(said, code="no_tokenizer", fields={"tokenizer": said})


def is_name(reference: str) -> bool:
    """Whether this may be the name of a tokenizer."""
    return bool(re.fullmatch(r"[\w가-힣][\w가-힣 -]{0,49}", reference))


def file_of(name: str) -> str:
    """Give the name of the file that a tokenizer of a recipe is kept under."""
    return f"{name}.tokenizer.json"


@dataclass(frozen=True)
class Tokens:
    """A tokenizer as a file; it travels to where the rows are."""

    content: bytes
    has_special: bool = False

    @classmethod
    def of(cls, reference: str, context: Context, *, has_special: bool = False) -> Tokens:
        """Get and check a tokenizer. Raises NotFound, Invalid."""
        known = reference if _DIGEST.fullmatch(reference) else file_of(reference)
        found = cls(context.artefact(known), has_special)
        try:
            found.check()
        except Invalid as error:
            raise Invalid(error.message, code="bad_tokenizer", fields={"tokenizer": error.message}) from None
        return found

    def check(self) -> None:
        """Read it once. Raises Invalid."""
        if len(self.content) > MOST_BYTES:
            raise Invalid(gettext("This tokenizer is larger than %(most)d MB.") % {"most": MOST_BYTES >> 20})
        try:
            read = loads(self.content)
            check_tokenizer(read if isinstance(read, dict) else {})
            _loaded(self.content)
        except (ValueError, Invalid) as error:
            raise Invalid(gettext("This is no tokenizer.json: %(why)s.") % {"why": str(error)[:200]}) from None

    @property
    def size(self) -> int:
        """How many tokens it knows."""
        return int(_loaded(self.content).tokenizer.get_vocab_size())

    def ids(self, texts: pl.Series) -> pl.Series:
        """Give the tokens of each text; none for a missing one."""
        loaded = _loaded(self.content)
        if loaded.is_by_words and not self.has_special:
            return loaded.by_words(texts)
        found: list[list[int] | None] = []
        for some in texts.to_frame().iter_slices(_TEXTS_AT_ONCE):
            encoded = loaded.encode(some.to_series().fill_null("").to_list(), add_special_tokens=self.has_special)
            found += [one.ids for one in encoded]
        return pl.select(pl.when(texts.is_not_null()).then(pl.Series(found, dtype=IDS))).to_series()

    def offsets(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Give where the tokens of each text begin and end, in characters."""
        return [one.offsets for one in _loaded(self.content).tokenizer.encode_batch(texts, add_special_tokens=False)]


class _Loaded:
    """A tokenizer of this process, with the tokens of words that it has met."""

    def __init__(self, content: bytes) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415 - the forms of the editor need no Rust

        try:
            self.tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(str(error)) from None
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.encode = self.tokenizer.encode_batch_fast
        self.is_by_words = _is_by_words(loads(content))
        self._words: dict[str, list[int]] = {}

    def by_words(self, texts: pl.Series) -> pl.Series:
        """Give the tokens of texts as those of their words, each word looked up once."""
        split = single_spaced(texts.str.strip_chars()).str.split(" ")
        rows = pl.DataFrame({_TEXT: pl.int_range(len(texts), eager=True), _WORD: split}).explode(_WORD)
        words = rows[_WORD].drop_nulls().unique()
        known = pl.DataFrame({_WORD: words, _IDS: pl.Series(self._of(words.to_list()), dtype=IDS)})
        found = rows.join(known, on=_WORD, how="left", maintain_order="left")
        joined = (
            found.explode(_IDS, empty_as_null=True).group_by(_TEXT, maintain_order=True).agg(pl.col(_IDS).drop_nulls())
        )
        return pl.select(pl.when(texts.is_not_null()).then(joined[_IDS])).to_series()

    def _of(self, words: list[str]) -> list[list[int]]:
        known = self._words  # replaced as a whole when it is full: several threads look words up
        fresh = [word for word in words if word not in known]
        found = {word: one.ids for word, one in zip(fresh, self.encode(fresh, add_special_tokens=False), strict=True)}
        ids = [found[word] if word in found else known[word] for word in words]
        if len(known) + len(found) > _MOST_WORDS:
            self._words = known = {}
        known.update((word, one) for word, one in found.items() if len(word) <= _LONGEST_WORD)
        return ids


_loaded = lru_cache(maxsize=4)(_Loaded)


def _is_by_words(read: Any) -> bool:
    """Whether a text has the tokens of its words one after the other: so it is with those that are trained here."""
    normalizer, pre = read.get("normalizer") or {}, read.get("pre_tokenizer") or {}
    cuts = pre.get("type") == "WhitespaceSplit" or (
        pre.get("type") == "Metaspace" and pre.get("prepend_scheme") == "always" and pre.get("split") is True
    )
    steps = normalizer.get("normalizers") or [{}]
    is_plain = steps[-2:] == ENDS and all(one.get("type") in _PLAIN for one in steps[:-2])
    added = read.get("added_tokens") or []
    return cuts and is_plain and not any(_reaches_out(one) for one in added)


def _reaches_out(added: Any) -> bool:
    """Whether a token takes white space around it."""
    return bool(re.search(r"\s", added["content"]) or added.get("lstrip") or added.get("rstrip"))
