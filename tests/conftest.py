"""What all tests share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import TransactionTestCase

from audit import triggers


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_triggers() -> Iterator[None]:
    """Let the emptying of tables after a transactional test pass the triggers that guard the audit chain."""
    patch = pytest.MonkeyPatch()
    teardown = TransactionTestCase._fixture_teardown

    def lifted_teardown(case: Any) -> None:
        with triggers.lifted():
            teardown(case)

    patch.setattr(TransactionTestCase, "_fixture_teardown", lifted_teardown)
    yield
    patch.undo()
