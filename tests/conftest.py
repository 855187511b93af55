"""What all tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.test import TransactionTestCase

import flueman.urls  # noqa: F401 - the pages of the admin, which some tests are made from
from audit import triggers
from common.ids import uuid7
from tests.databases.emptying import Emptying
from tests.databases.selection import belongs_here

if TYPE_CHECKING:  # they bring torch, which most tests do without
    from tests.inference.serving import Serving
    from tests.jobs.cluster import Cluster
    from tests.runner.making import Child


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the run on another database shows."""
    kept, left = [], []
    for item in items:
        (kept if belongs_here(item) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_triggers() -> Iterator[None]:
    """Let the emptying of tables after a transactional test pass the triggers that guard the audit chain."""
    patch = pytest.MonkeyPatch()
    teardown, emptying = TransactionTestCase._fixture_teardown, Emptying()

    def lifted_teardown(case: Any) -> None:
        if not emptying.is_done():
            with triggers.lifted():
                teardown(case)
            emptying.begin()

    patch.setattr(TransactionTestCase, "_fixture_teardown", lifted_teardown)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _own_anchor(settings: Any) -> None:
    """Give each test an anchor of its own: it outlives the emptying of tables, as it should."""
    settings.AUDIT_ANCHOR_URL = f"file://{settings.FLUEMAN_HOME}/anchors/{uuid7().hex}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Give a job cluster that is not running yet, and leave none behind."""
    from tests.jobs.cluster import Cluster

    made = Cluster(tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Give a folder for models."""
    from tests.inference.serving import make_place

    folder = make_place()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def small_child(place: Path) -> Iterator[Child]:
    """Give the process of a network whose outputs are the sum of four numbers, and its double."""
    from tests.runner.making import child, make_folder

    with child(make_folder(place / "small")) as process:
        yield process


@pytest.fixture(scope="module")
def text_child(place: Path) -> Iterator[Child]:
    """Give the process of a small text classifier."""
    from tests.runner.making import child, make_text_folder

    with child(make_text_folder(place / "words")) as process:
        yield process


@pytest.fixture
def small(place: Path, small_child: Child) -> Iterator[Serving]:
    """Give the network, deployed."""
    from tests.inference.serving import serving

    with serving(place / "small", small_child) as served:
        yield served


@pytest.fixture
def words(place: Path, text_child: Child) -> Iterator[Serving]:
    """Give the text classifier, deployed."""
    from tests.inference.serving import serving

    with serving(place / "words", text_child, name="words") as served:
        yield served
