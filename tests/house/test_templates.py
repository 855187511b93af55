"""Templates."""

from __future__ import annotations

import re

import pytest

from tests.house.installation import ROOT

# `{{ queue.pk }}` is "1,332" where thousands are set apart; `|stringformat:"s"` gives it as it is.
BARE = re.compile(r"""(?:value="|\?|&amp;|&)(?:[a-z_]+=)?\{\{ *(?:[a-z_.]+\.)?(?:pk|id|number) *\}\}""")
# In a query everything has a filter: `urlencode` for texts, `stringformat:"d"` for numbers.
BARE_IN_QUERY = re.compile(r"[?&;][a-z_]+=\{\{ *[\w.]+ *\}\}")
# What scripts and the browser read as a number: names that end with a unit, as numbers have it here.
BARE_NUMBER = re.compile(
    r"""(?:data-[a-z-]+|start|min|max|step)="\{\{ *[\w.]*(?:_s|_ms|bytes|count|number|rows?|minutes?) *\}\}"""
)


@pytest.mark.parametrize("bare", [BARE, BARE_IN_QUERY, BARE_NUMBER])
def test_keys_and_numbers_when_in_forms_and_addresses_are_not_written_for_people(bare: re.Pattern[str]) -> None:
    pages = [*(ROOT / "templates").rglob("*.html"), *ROOT.glob("*/templates/**/*.html")]
    assert len(pages) > 50
    assert {page.name: found for page in pages if (found := bare.findall(page.read_text(encoding="utf-8")))} == {}
