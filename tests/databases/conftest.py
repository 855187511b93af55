"""What the tests of databases share."""

from __future__ import annotations

import pytest

from guards.models import Stamp
from tests.databases import WANTED

collect_ignore = ["test_lost_connections.py"] if WANTED == "sqlite" else []  # SQLite has no connection to lose


@pytest.fixture
def rows(transactional_db: None) -> None:
    """Give rows that services fight for."""
    Stamp.objects.bulk_create([Stamp(name="a"), Stamp(name="b"), Stamp(name="left out")])
