"""The installations of the tests of files."""

from tests.files.conftest import served

__all__ = ["served"]
