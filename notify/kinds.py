"""What is known of a kind of event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event: its name for people, and a sentence made of values of its payload."""

    label: Promise | str
    sentence: Promise | str
    example: Mapping[str, Any]

    def say(self, payload: Mapping[str, Any]) -> str:
        """Give the sentence of one event."""
        return str(self.sentence) % {name: "–" if payload.get(name) is None else payload[name] for name in self.example}
