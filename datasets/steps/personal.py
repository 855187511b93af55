"""Personal data in texts, masked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, ClassVar

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, step, text_columns
from datasets.steps.personal_kinds import KINDS, USUAL, Finder, Found

WORD, PART, TOKEN = "word", "part", "token"
_FOUND, _COLUMN, _KIND, _SHAPE = "__found", "column", "kind", "shape"
_EXAMPLES = 3
_LONGEST_SHAPE = 40
_NUMBERS = frozenset({"resident", "phone", "card", "account", "iban", "business", "passport", "licence", "health"})
_FACT = pl.List(pl.Struct({_COLUMN: pl.String, _KIND: pl.String, _SHAPE: pl.String}))


@step
@dataclass(frozen=True)
class MaskPersonalData(Step):
    """Masks what `Finder` finds; neither its report nor its samples hold what stood there."""

    kind = "mask_personal_data"
    label = _("Mask personal data")
    help = _(
        "Finds personal data by form, check digits and the words around it, also when it is written with full-width "
        "digits or hidden characters. It misses names without a title or a particle that gives them away, nicknames, "
        "addresses without a number, account numbers without a bank, and whatever is spelt out in words: read a sample "
        "of the result before you pass it on."
    )
    family = "personal"
    icon = "shield_person"
    is_secret_before: ClassVar[bool] = True

    columns: tuple[str, ...] = params.columns(
        _("columns"), wants="text", default=(), help=_("None chosen: every column of text.")
    )
    which: tuple[str, ...] = params.choices(
        _("kinds"), tuple((kind, label) for kind, (_labels, label, _word) in KINDS.items()), default=USUAL
    )
    how: str = params.choice(
        _("what stands there instead"),
        (
            (WORD, _("the kind: [전화번호]")),
            (PART, _("part of it: 010-****-5678")),
            (TOKEN, _("a sign of its own: [전화번호:3f9a…], the same for the same number")),
        ),
        default=WORD,
    )

    def out_schema(self, schema: Schema) -> Schema:
        """Give the same columns."""
        text_columns(schema, self.columns)
        if not self.which:
            said = gettext("Choose at least one kind.")
            raise Invalid(said, fields={"which": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Mask, and tell how much of what was found."""
        key = context.key("personal data") if self.how == TOKEN else b""
        masked = table.map(partial(self.mask, key))
        context.report(**_together(masked.fold(_told, pl.concat)))
        return masked.map(_without_facts)

    def mask(self, key: bytes, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the frame with masked texts, and what was found beside them."""
        finder = Finder(self.which)
        facts: dict[int, list[dict[str, str]]] = {}
        for name in text_columns(_schema(frame), self.columns):
            texts = frame[name]
            changed = {}
            for place in texts.str.contains(finder.may_have).fill_null(value=False).arg_true().to_list():
                text = texts[place]
                if found := finder.find(text):
                    changed[place] = self.masked(text, found, key)
                    facts.setdefault(place, []).extend(_fact(name, text, one) for one in found)
            if changed:
                values = texts.to_list()
                for place, text in changed.items():
                    values[place] = text
                frame = frame.with_columns(pl.Series(name, values, dtype=pl.String))
        told = pl.Series(_FOUND, [facts.get(place, []) for place in range(len(frame))], dtype=_FACT)
        return frame.with_columns(told)

    def masked(self, text: str, found: Sequence[Found], key: bytes) -> str:
        """Give a text with something else in each place."""
        pieces, end = [], 0
        for one in found:
            pieces += [text[end : one.start], self._instead(one, text[one.start : one.end], key)]
            end = one.end
        return "".join([*pieces, text[end:]])

    def _instead(self, found: Found, value: str, key: bytes) -> str:
        word = KINDS[found.kind][2]
        if self.how == WORD:
            return f"[{word}]"
        if self.how == TOKEN:
            return f"[{word}:{_sign(found.kind, value, key)}]"
        from ko_pii import mask_value  # noqa: PLC0415 - only where the step runs

        part: str = mask_value(found.label, value)
        return f"[{word}]" if part == value else part


def _sign(kind: str, value: str, key: bytes) -> str:
    """Give a keyed digest; one number, however it is written, has one sign."""
    from ko_pii.core.unicode_norm import normalize_unicode  # noqa: PLC0415 - only where the step runs

    between = r"[\W_]" if kind in _NUMBERS else r"\s"
    plain = re.sub(between, "", normalize_unicode(value)[0]).lower()
    return blake2b(f"{kind}:{plain}".encode(), key=key, digest_size=8).hexdigest()


def _fact(column: str, text: str, found: Found) -> dict[str, str]:
    """Give what the report may tell: the shape of what was found, no letter and no digit of it."""
    shape = re.sub(r"\w", "*", text[found.start : found.end])
    return {_COLUMN: column, _KIND: found.kind, _SHAPE: shape[:_LONGEST_SHAPE]}


def _schema(frame: pl.DataFrame) -> Schema:
    return {name: kind for name, kind in frame.schema.items() if name != ROW}


def _without_facts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(_FOUND)


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Count by column and kind, with a few shapes."""
    found = frame.select(ROW, _FOUND).filter(pl.col(_FOUND).list.len() > 0).explode(_FOUND).unnest(_FOUND)
    shapes = pl.col(_SHAPE).unique(maintain_order=True).head(_EXAMPLES)
    by = found.group_by(_COLUMN, _KIND).agg(pl.len().alias("count"), pl.col(ROW).n_unique().alias("rows"), shapes)
    return by.sort(_COLUMN, _KIND)


def _together(found: pl.DataFrame) -> dict[str, Any]:
    """Give the report of all frames; kinds are named as they stand in the texts."""
    shapes = pl.col(_SHAPE).list.explode().unique(maintain_order=True).head(_EXAMPLES).implode().list.join(", ")
    by = found.group_by(_COLUMN, _KIND).agg(pl.col("count").sum(), pl.col("rows").sum(), shapes.alias("examples"))
    words = {kind: word for kind, (_labels, _label, word) in KINDS.items()}
    lines = by.sort(_COLUMN, _KIND).with_columns(pl.col(_KIND).replace_strict(words, return_dtype=pl.String)).to_dicts()
    return {"masked": sum(line["count"] for line in lines), "found": lines}
