"""A store in a folder that fails as a bucket does."""

from __future__ import annotations

from typing import Any

from boto3.exceptions import RetriesExceededError
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files import File
from django.core.files.storage import FileSystemStorage

TROUBLES: dict[str, Exception] = {
    "unreachable": EndpointConnectionError(endpoint_url="x"),
    "refused": ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "GetObject"),
    "broken off": RetriesExceededError(ConnectionError("gone")),
}


class UnluckyStorage(FileSystemStorage):
    """Keeps what it is given; `trouble` is what meets who opens it, or with `is_late` who reads then."""

    def __init__(self, *, trouble: str, is_late: bool, **options: Any) -> None:
        super().__init__(**options)
        self._trouble, self._is_late = TROUBLES[trouble], is_late

    def _open(self, name: str, mode: str = "rb") -> File:
        if not self._is_late:
            raise self._trouble
        return UnluckyFile(self._trouble)


class UnluckyFile(File):
    """A file of which nothing can be read."""

    def __init__(self, trouble: Exception) -> None:
        super().__init__(None)
        self._trouble = trouble

    def read(self, *_size: int) -> bytes:
        """Fail."""
        raise self._trouble

    def close(self) -> None:
        """Do nothing."""
