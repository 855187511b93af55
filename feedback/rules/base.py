"""What a rule is, and the list of all of them."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Invalid

MOST_RULES = 20
AT_ONCE = 500
PRIORITIES = (-100, 100)
MOST_PER_DAY = 1_000_000


@dataclass(frozen=True, slots=True)
class RuleField:
    """A number that a rule asks for; one without a default must be given."""

    name: str
    label: Any
    least: float
    most: float
    default: float | None = None
    unit: Any = ""
    is_whole: bool = False

    def read(self, given: Any) -> float | None:
        """Give the number as it is kept. Raises Invalid."""
        if given is None:
            if self.default is None:
                self._refuse(_("is needed"))
            return self.default
        is_number = type(given) is int or (type(given) is float and not self.is_whole)
        if not is_number or not self.least <= given <= self.most:
            self._refuse(_("must be %(least)s to %(most)s") % {"least": f"{self.least:g}", "most": f"{self.most:g}"})
        return given  # type: ignore[no-any-return]

    def _refuse(self, text: str) -> None:
        raise Invalid(f"{self.name}: {text}", fields={self.name: text})


@dataclass(frozen=True, slots=True)
class Source:
    """What an item is made of: a row of a logged call; of anything else `key`, `input` and `output` say what."""

    request_id: UUID | None = None
    row: int = 0
    feedback_id: UUID | None = None
    key: str = ""
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    version: int | None = None
    version_id: UUID | None = None

    @property
    def source_key(self) -> str:
        """The same text for the same thing, whichever rule picked it."""
        return self.key or f"{self.request_id}:{self.row}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a rule saw up to a position, from which it goes on: how many rows, and those that it picks."""

    position: str
    looked: int
    sources: list[Source]


PRIORITY = RuleField("priority", gettext_lazy("priority"), *PRIORITIES, default=0, is_whole=True)
A_DAY = RuleField("most_per_day", gettext_lazy("most a day"), 1, MOST_PER_DAY, default=500, is_whole=True)


class Rule(ABC):
    """One way of picking calls. `fields` are its own numbers; each rule has a priority and a most a day as well."""

    kind: ClassVar[str]
    label: ClassVar[Any]
    help: ClassVar[Any] = ""
    fields: ClassVar[tuple[RuleField, ...]] = ()
    lag_s: ClassVar[int] = 120  # calls are written when they end, under a key of when they began

    @abstractmethod
    def start(self, moment: datetime) -> str:
        """Give the position from which everything after a moment is seen."""

    @abstractmethod
    def look(self, values: Mapping[str, Any], deployment: str, after: str, until: datetime) -> Iterator[Chunk]:
        """Go through what came after a position and before a time, some hundred rows at a time."""

    def say(self, values: Mapping[str, Any]) -> str:
        """Give the rule in words."""
        told = [f"{one.label} {values[one.name]:g}" for one in self.fields if values.get(one.name) is not None]
        return ", ".join([str(self.label), *told])

    def check(self, values: dict[str, Any]) -> dict[str, Any]:
        """Give values that go together. Raises Invalid for others."""
        return values


RULES: dict[str, Rule] = {}


def register(rule: Rule) -> None:
    """Offer a rule."""
    RULES[rule.kind] = rule


def find(kind: Any) -> Rule:
    """Give a rule. Raises Invalid."""
    if not isinstance(kind, str) or kind not in RULES:
        text = _("There is no such rule.")
        raise Invalid(text, fields={"rules": text})
    return RULES[kind]


def say(values: Mapping[str, Any]) -> str:
    """Give a rule of a queue in words; of one whose app is gone only its kind."""
    rule = RULES.get(values["kind"])
    return rule.say(values) if rule else str(values["kind"])


def clean(given: Any, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rules as a queue keeps them; one that says what it said keeps its id, and so how far it has looked.

    Raises Invalid naming `rules[0].below` and the like.
    """
    if not isinstance(given, list) or len(given) > MOST_RULES or not all(isinstance(one, dict) for one in given):
        text = _("must be a list of at most %(most)s rules") % {"most": MOST_RULES}
        raise Invalid(text, fields={"rules": text})
    known = {one["id"] for one in before}
    found = [_clean_one(place, dict(one), known) for place, one in enumerate(given)]
    if len({one["id"] for one in found}) < len(found):
        text = _("holds a rule twice")
        raise Invalid(text, fields={"rules": text})
    return found


def clean_values(rule: Rule, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the numbers of a rule. Raises Invalid naming the field."""
    wanted = (*rule.fields, PRIORITY, A_DAY)
    if unknown := set(given) - {one.name for one in wanted}:
        name = str(min(map(str, unknown)))[:50]
        raise Invalid(_("There is no such field."), fields={name: _("is unknown")})
    return rule.check({one.name: one.read(given.get(one.name)) for one in wanted})


def _clean_one(place: int, given: dict[str, Any], known: set[str]) -> dict[str, Any]:
    rule = find(given.pop("kind", None))
    own = given.pop("id", None)
    try:
        values = clean_values(rule, given)
    except Invalid as error:
        fields = {f"rules[{place}].{name}": text for name, text in error.fields.items()}
        raise Invalid(error.message, fields=fields) from None
    return {"id": own if own in known else secrets.token_hex(4), "kind": rule.kind, **values}
