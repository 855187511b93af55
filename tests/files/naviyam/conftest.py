"""The name and password of the environment."""

import pytest

from tests.files.naviyam.making import PASSWORD, USER


@pytest.fixture(autouse=True)
def open_to_basic(settings):
    """Let the name and password in."""
    settings.FILES_BASIC_USER, settings.FILES_BASIC_PASSWORD = USER, PASSWORD
