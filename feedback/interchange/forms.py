"""What both foreign formats are made of: an item with its answers, and answers by item coming back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from common.errors import Invalid

QUESTION = "answer"
ITEM = "flueman_item"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """An item on its way out. `kind` is that of its queue's answers; `answers` are those of people, with seconds.

    An open item has none: they would come back as if they had been given elsewhere.
    """

    handle: str
    kind: str
    inputs: Mapping[str, Any]
    model: str = ""
    model_answer: Any = None
    score: float | None = None
    answers: Sequence[tuple[Any, float]] = ()
    final: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """The inputs as texts."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.inputs.items()}


class Answered(NamedTuple):
    """What came back for an item: the answers of all who judged it, with `has_reviews` ours as they were then too."""

    handle: str
    answers: list[Any]
    has_reviews: bool = False


def text_in(value: Any, what: str) -> str:
    """Give a value that must be text. Raises Invalid."""
    if not isinstance(value, str) or not value:
        refuse(f"{what} is missing, or no text")
    return value


def list_in(value: Any, what: str) -> list[Any]:
    """Give a value that must be a list, empty where there is none. Raises Invalid."""
    if value is None:
        return []
    if not isinstance(value, list):
        refuse(f"{what} is no list")
    return value


def refuse(said: str) -> NoReturn:
    """Raise Invalid."""
    raise Invalid(said)
