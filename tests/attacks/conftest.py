"""Writes the table of attacks where `make attacks` asks for it."""

import os
from pathlib import Path

from tests.attacks import table


def pytest_sessionfinish() -> None:
    """Write the table of what was run."""
    if path := os.environ.get("FLUEMAN_ATTACKS"):
        table.write(Path(path))
