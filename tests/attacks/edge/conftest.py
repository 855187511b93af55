"""One installation for all attacks on the edge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give real processes, with nothing deployed."""
    made = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    try:
        made.start()
        yield made
    finally:
        made.end()
