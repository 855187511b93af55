"""What all tests of recipes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from datasets.previewing import helper


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with override("en"):
        yield


@pytest.fixture(autouse=True)
def _in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a preview take as long as a busy machine needs."""
    monkeypatch.setattr(helper, "DEADLINE_S", 120.0)
