"""Templates."""

from __future__ import annotations

import re

from tests.house.installation import ROOT

# `{{ queue.pk }}` is "1,332" where thousands are set apart; `|stringformat:"s"` gives it as it is.
BARE = re.compile(r"""(?:value="|\?|&amp;|&)(?:[a-z_]+=)?\{\{ *(?:[a-z_.]+\.)?(?:pk|id|number) *\}\}""")


def test_keys_and_numbers_when_in_forms_and_addresses_are_not_written_for_people() -> None:
    pages = [*(ROOT / "templates").rglob("*.html"), *ROOT.glob("*/templates/**/*.html")]
    assert len(pages) > 50
    assert {page.name: found for page in pages if (found := BARE.findall(page.read_text(encoding="utf-8")))} == {}
