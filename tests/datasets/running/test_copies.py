"""Copies on this machine of files that lie in a bucket."""

from __future__ import annotations

import io
import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, default_storage
from django.utils import timezone

from datasets.content import local_path, tidy_copies
from files.models import Blob
from files.storage import storage_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    """Give a home of its own, whose store is no folder of this machine."""
    elsewhere = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": elsewhere}
    settings.FLUEMAN_HOME = tmp_path
    return tmp_path


def make_blob(content: bytes) -> Blob:
    digest = sha256(content).hexdigest()
    default_storage.save(storage_key(digest), ContentFile(content))
    return Blob.objects.create(sha256=digest, size_bytes=len(content), storage_key=storage_key(digest))


def grow_old(path: Path) -> Path:
    old = (timezone.now() - timedelta(hours=25)).timestamp()
    os.utime(path, (old, old))
    return path


def test_tidy_copies_when_unused_for_a_day_or_its_blob_is_gone_then_deleted() -> None:
    assert tidy_copies() == 0
    unused, used, fresh, lost = (make_blob(content) for content in (b"unused", b"used", b"fresh", b"lost"))
    grow_old(local_path(unused))
    grow_old(local_path(used))
    half = local_path(fresh).with_name(".half")
    half.write_bytes(b"ha")
    grow_old(half)
    local_path(lost)
    lost.delete()
    assert local_path(used).read_bytes() == b"used"
    assert tidy_copies() == 3
    assert {path.name for path in half.parent.iterdir()} == {used.pk, fresh.pk}
    assert local_path(unused).read_bytes() == b"unused"


class BrokenOff(io.BytesIO):
    """An answer whose end never comes."""

    def read(self, *_size: int | None) -> bytes:
        raise ConnectionError("the store has gone")


class Breaking(InMemoryStorage):
    """A store whose answers break off."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        return BrokenOff()


def test_local_path_when_the_store_breaks_off_then_nothing_half_made_is_left(settings: Any, home: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Breaking"}}
    blob = make_blob(b"broken off")
    with pytest.raises(ConnectionError):
        local_path(blob)
    assert list((home / "cache" / "blobs").iterdir()) == []
