from __future__ import annotations

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def in_english():
    """Messages are compared in English."""
    with translation.override("en"):
        yield
