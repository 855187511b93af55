"""Entities and vectors on pages: what a model says is data, never markup."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference.admin.marks import show_embedding, show_entities

TEXT = "서울에서 <민지>를 만났어요"


def entity(start: int, end: int, text: str = "", **more: Any) -> dict[str, Any]:
    return {"text": text or TEXT[start:end], "start": start, "end": end, "label": "LOC", "score": 0.9} | more


def test_entities_when_they_stand_in_the_text_are_marked_there() -> None:
    shown = show_entities(json.dumps([entity(0, 2), entity(6, 8, label="<PER>")]), TEXT)
    assert shown is not None
    assert shown.startswith('<p class="sv-text"><mark class="sv-mark">서울 <span><b>LOC</b> ')
    assert "</span></mark>에서 &lt;<mark" in shown
    assert "<PER>" not in shown
    assert shown.endswith("&gt;를 만났어요</p>")


@pytest.mark.parametrize(
    "found",
    [[entity(0, 2, "부산")], [entity(50, 60, "서울")], [entity(-3, 99, "서울")], [entity(0, 4), entity(2, 6)], []],
)
def test_entities_when_their_places_are_wrong_are_shown_all_the_same(found: list[dict[str, Any]]) -> None:
    shown = show_entities(json.dumps(found), TEXT)
    assert shown is not None
    assert "<민지>" not in shown


@pytest.mark.parametrize("said", ["", "{}", "[1]", "[" * 9999, '[{"text": 1}]', '[{"score": NaN}]'])
def test_entities_when_they_are_none_are_left_to_plain_text(said: str) -> None:
    assert show_entities(said, TEXT) is None


def test_vector_when_shown_is_a_map() -> None:
    assert "48" in (show_embedding([0.1 * n for n in range(768)], "FP32") or "")
    assert show_embedding([1.0] * 7, "FP32") is None
    assert show_embedding([1.0] * 31, "FP32") is None
