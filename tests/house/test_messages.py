"""Every text marked for translation has a Korean translation and no other has, and what is compiled is current."""

from __future__ import annotations

import re

from babel.messages.pofile import read_po
from django.utils.translation import gettext, override

from tools.messages import ROOT, catalogues, known_texts, stale, strings, unused_texts, used_texts

BOTH_FORMS = re.compile(r"을\(를\)|이\(가\)|은\(는\)|과\(와\)|\(으\)로|[가-힣]\((을|를|이|가|은|는|와|과)\)")
# Code that puts its sentences through `common/korean.py`, or shares them with code that does.
SETTLED = re.compile(r"audit/|registry/admin/approvals\.py|inference/admin/history\.py|.*wording\.py")


def test_texts_when_marked_for_translation_are_translated() -> None:
    known = known_texts()
    assert {place: text for text, place in used_texts().items() if text not in known} == {}


def test_translations_when_nothing_uses_their_texts_any_more_are_gone() -> None:
    assert unused_texts() == {}


def test_catalogues_when_compiled_say_what_the_edited_ones_say() -> None:
    found = catalogues()
    assert found
    assert [str(po.relative_to(ROOT)) for po in found if stale(po)] == []


def test_texts_when_a_package_has_them_too_then_ours_are_shown() -> None:
    ours: dict[str, set[str]] = {}
    for po in catalogues():
        with po.open("rb") as file:
            for message in read_po(file):
                if (
                    message.id
                    and message.string
                    and isinstance(message.id, str)
                    and not (message.context or message.fuzzy)
                ):
                    ours.setdefault(message.id, set()).add(str(message.string))
    assert "version" in ours
    with override("ko"):
        assert {text: gettext(text) for text, korean in ours.items() if gettext(text) not in korean} == {}


def test_translations_when_no_code_settles_their_particles_have_none_to_settle() -> None:
    said = {}
    for po in catalogues():
        with po.open("rb") as file:
            said |= strings(read_po(file))
    open_ones = {text for text, korean in said.items() if BOTH_FORMS.search(korean)}
    assert {place: text for text, place in used_texts().items() if text in open_ones and not SETTLED.match(place)} == {}
