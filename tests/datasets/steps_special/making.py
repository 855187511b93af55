"""Steps run on small tables, cut in several ways."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import polars as pl

from common.errors import NotFound
from datasets.engines.memory import MemoryTable, collected
from datasets.engines.table import ROW, Table
from datasets.steps.base import Step

CUTS = (1, 3, 0)
# What texts may be: nothing, blank, very long, emoji, right to left, jamo in three forms.
HOSTILE = [
    None,
    "",
    " \t\n",
    "한 " * 5000 + "끝" * 5000,
    "🤦🏽‍♂️👨‍👩‍👧‍👦",
    "\u202eevil\u202c שלום العربية",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "ㅎㅏㄴ ㅋㅋㅋㅋㅋ ﾡﾢ",
    "a\u0301\u200b\ufeff\x01b",
    "=cmd()|'/C calc'!A0 <script>",
]


class Surroundings:
    """What a step asks for, and what it tells."""

    def __init__(self, others: Mapping[str, Table] | None = None, files: Mapping[str, bytes] | None = None) -> None:
        self.others, self.files = dict(others or {}), dict(files or {})
        self.told: dict[str, Any] = {}

    def other(self, version_id: str) -> Table:
        return self.others[version_id]

    def artefact(self, reference: str) -> bytes:
        if reference not in self.files:
            raise NotFound("no such file")
        return self.files[reference]

    def keep(self, name: str, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.files[digest] = self.files[name] = content
        return digest

    def key(self, purpose: str) -> bytes:
        return purpose.encode().ljust(32)

    def report(self, **facts: Any) -> None:
        self.told.update(facts)


def run(step: Step, frame: pl.DataFrame, around: Surroundings | None = None) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Give the rows after a step and its report: the same however the rows are cut, and of the columns it announces."""
    schema = MemoryTable.of(frame).schema
    announced = dict(step.out_schema(schema))
    found = []
    for part_rows in CUTS:
        here = around or Surroundings()
        here.told = {}
        rows = collected(step.run(MemoryTable.of(frame, part_rows), here))
        assert {name: kind for name, kind in rows.schema.items() if name != ROW} == announced
        found.append((rows, dict(here.told)))
    for rows, told in found[1:]:
        assert rows.equals(found[0][0]), "rows depend on how they are cut"
        assert told == found[0][1]
    return found[0]


def texts_after(step: Step, texts: list[str | None]) -> list[Any]:
    """Give the texts after a step on the column `text`."""
    return run(step, pl.DataFrame({"text": texts}, schema={"text": pl.String}))[0]["text"].to_list()


def make_words(count: int, seed: int = 7) -> list[str]:
    """Give invented Korean words."""
    chance = random.Random(seed)
    syllables = [chr(chance.randrange(0xAC00, 0xD7A4)) for _ in range(300)]
    return ["".join(chance.choice(syllables) for _ in range(chance.randint(1, 4))) for _ in range(count)]


def make_texts(count: int, seed: int = 7) -> list[str]:
    """Give invented Korean sentences."""
    chance, words = random.Random(seed), make_words(3000, seed)
    return [" ".join(chance.choices(words, k=chance.randint(8, 40))) for _ in range(count)]
