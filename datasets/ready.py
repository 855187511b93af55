"""Recipes to begin with, for the first column of text of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

_TEXT = "$text"  # stands for the column
_CLEAN: list[tuple[str, dict[str, Any]]] = [
    ("normalise", {"form": "NFKC", "keeps_jamo": True}),
    ("unseen_characters", {}),
    ("strip_html", {}),
    ("repeated_characters", {}),
    ("white_space", {"line_breaks": "paragraphs"}),
    ("filter_length", {"column": _TEXT, "least": 2}),
]
_ONCE: list[tuple[str, dict[str, Any]]] = [
    ("duplicates", {"columns": [_TEXT], "ignored": ["case", "space", "form"]}),
    ("near_duplicates", {"column": _TEXT, "threshold": 0.8}),
]


@dataclass(frozen=True, slots=True)
class Ready:
    """A recipe to begin with."""

    label: Any
    help: Any
    steps: Sequence[tuple[str, dict[str, Any]]]


READY: dict[str, Ready] = {
    "clean": Ready(
        _("Clean up Korean text"),
        _("Unicode forms, unseen characters, HTML, repeated characters and white space; empty texts go."),
        _CLEAN,
    ),
    "once": Ready(
        _("Each text once"),
        _("Exact duplicates go, then near ones (MinHash, likeness 0.8)."),
        _ONCE,
    ),
    "training": Ready(
        _("Prepare for training"),
        _("Clean up, keep Korean texts of good quality, mask personal data, and each text once."),
        [
            *_CLEAN,
            ("filter_language", {"column": _TEXT, "languages": ["ko"]}),
            ("filter_quality", {"column": _TEXT}),
            ("mask_personal_data", {"columns": [_TEXT]}),
            *_ONCE,
        ],
    ),
}


def steps_for(key: str, columns: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """Give the steps of a ready recipe for the first column of text; `text` where no columns are known."""
    text = next((one["name"] for one in columns if one["type"] == "text"), "text")
    return [{"kind": kind, "params": _filled(params, text)} for kind, params in READY[key].steps]


def _filled(params: dict[str, Any], text: str) -> dict[str, Any]:
    swap = {_TEXT: text}
    return {
        name: [swap.get(one, one) for one in value] if isinstance(value, list) else swap.get(value, value)
        for name, value in params.items()
    }
