"""Every text marked for translation has a Korean translation, and the compiled catalogues are current."""

from __future__ import annotations

from tools.messages import ROOT, catalogues, known_texts, stale, used_texts


def test_texts_when_marked_for_translation_are_translated() -> None:
    known = known_texts()
    assert {place: text for text, place in used_texts().items() if text not in known} == {}


def test_catalogues_when_compiled_say_what_the_edited_ones_say() -> None:
    found = catalogues()
    assert found
    assert [str(po.relative_to(ROOT)) for po in found if stale(po)] == []
