"""The installations of the tests of artifacts."""

from tests.files.conftest import served

__all__ = ["served"]
