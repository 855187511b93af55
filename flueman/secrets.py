"""The secrets of an embedded installation: made at the first start, kept in one file that only its owner reads."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

OURS = (".secrets.lock", "flueman.sqlite3", "run/supervisor.lock")  # what tells our folder from others
NAMES = ("SECRET_KEY", "API_KEY_PEPPER", "AUDIT_SALT", "SEALING_KEYS")


def make_private(home: Path) -> None:
    """Make FLUEMAN_HOME, or close it where it is open and holds nothing but our own.

    Raises ImproperlyConfigured for a folder open to all that is somebody else's, or has other things in it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = home.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid() and _is_ours(home):
        home.chmod(0o700)
    elif found.st_mode & 0o007:  # a group that somebody let into a folder of theirs is their choice
        raise ImproperlyConfigured(
            f"FLUEMAN_HOME: others may look into {home}. Name a new folder, such as {home / 'flueman'}, or chmod 700 it"
        )


def _is_ours(home: Path) -> bool:
    things = {one.name for one in home.iterdir()} - {"lost+found"}  # of a disk of its own
    return not things or any((home / name).exists() for name in OURS)


def load_or_make(home: Path) -> dict[str, str]:
    """Give the secrets kept under `home`, making what is missing. Safe when several processes start at once."""
    with _kept(home) as kept:
        kept.update({name: _make() for name in NAMES if not kept.get(name)})
        return kept


def add_sealing_key(home: Path) -> None:
    """Put a new key before the kept ones (`common/sealing.py`)."""
    with _kept(home) as kept:
        kept["SEALING_KEYS"] = ",".join(filter(None, [_make(), kept.get("SEALING_KEYS")]))


@contextmanager
def _kept(home: Path) -> Iterator[dict[str, str]]:
    """Give what the file holds, to be changed; a change is written whole, and by one process at a time."""
    make_private(home)
    target = home / "secrets.json"
    with open(home / ".secrets.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = json.loads(target.read_text()) if target.exists() else {}
        kept = dict(before)
        yield kept
        if kept != before:
            _write(target, json.dumps(kept, indent=1))


def _make() -> str:
    return secrets.token_urlsafe(48)


def _write(target: Path, text: str) -> None:
    draft = target.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target)
