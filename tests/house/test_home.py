"""FLUEMAN_HOME is open to its owner only, also where it was there before."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from flueman import secrets, supervise


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


@pytest.mark.parametrize("content", [None, "lost+found", ".secrets.lock", "flueman.sqlite3"])
def test_home_when_it_was_open_then_closed(content: str | None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    if content:
        (home / content).touch()
    assert secrets.load_or_make(home)["SECRET_KEY"]
    assert mode(home) == 0o700
    home.chmod(0o750)
    supervise.make_home(home)
    assert mode(home) == 0o700


def test_home_when_other_things_are_in_it_then_refused_and_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "letters").mkdir(parents=True)
    home.chmod(0o755)
    with pytest.raises(ImproperlyConfigured, match="others may look into"):
        secrets.load_or_make(home)
    with pytest.raises(SystemExit, match="others may look into"):
        supervise.make_home(home)
    assert (mode(home), [path.name for path in home.iterdir()]) == (0o755, ["letters"])
    home.chmod(0o700)
    assert secrets.load_or_make(home)


def test_home_when_it_is_somebody_elses_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: home.stat().st_uid + 1)
    with pytest.raises(ImproperlyConfigured, match="chmod 700"):
        secrets.load_or_make(home)
