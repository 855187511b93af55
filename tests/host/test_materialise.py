"""A version's files on their way from the file store to the folder that a process loads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from common.errors import Unavailable
from files.services import open_blob
from inference.host import materialise as materialising
from inference.host.materialise import clear_unused, materialise
from inference.host.places import cache_folder
from inference.host.states import read_version
from tests.host.hosting import make_version
from tests.host.stores import TROUBLES
from tests.runner.making import make_folder


def make_unlucky(settings: Any, trouble: str, *, is_late: bool) -> None:
    """Have the store fail from now on."""
    options = {**django_settings.STORAGES["default"].get("OPTIONS", {}), "trouble": trouble, "is_late": is_late}
    store = {"BACKEND": "tests.host.stores.UnluckyStorage", "OPTIONS": options}
    settings.STORAGES = {**django_settings.STORAGES, "default": store}


@pytest.mark.django_db
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_materialise_when_the_bucket_fails_then_unavailable_and_nothing_is_left(
    tmp_path: Path, settings: Any, trouble: str, is_late: bool
) -> None:
    version = read_version(make_version(make_folder(tmp_path / "m")).pk)
    make_unlucky(settings, trouble, is_late=is_late)
    with pytest.raises(Unavailable) as refused:
        materialise(version)
    assert refused.value.code == "storage_unavailable"
    left = {path.name for path in cache_folder("models").iterdir()}
    assert str(version.pk) not in left
    assert not any(name.startswith(".new-") for name in left)


@pytest.mark.django_db
def test_open_blob_when_the_bucket_is_away_then_unavailable(tmp_path: Path, settings: Any) -> None:
    version = make_version(make_folder(tmp_path / "m"))
    make_unlucky(settings, "unreachable", is_late=False)
    with pytest.raises(Unavailable):
        open_blob(version.files.all()[0].blob)


def test_clear_unused_when_a_folder_vanishes_meanwhile_then_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    place = cache_folder("checks")
    for name in ("a", "b", "c"):
        (place / name).mkdir()
        os.utime(place / name, (0, 0))
    remove = materialising.remove

    def late(folder: Path) -> None:
        if folder.name == "b":
            shutil.rmtree(folder)  # another was faster
        remove(folder)

    monkeypatch.setattr(materialising, "remove", late)
    clear_unused(set(), 60.0)
    assert not any((place / name).exists() for name in ("a", "b", "c"))
