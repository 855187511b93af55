"""Where the model host keeps sockets and copies of files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from uuid import UUID

from django.conf import settings

_LONGEST_SOCKET_PATH = 100  # of 108 bytes with the final NUL (sun_path, unix(7))


def run_folder() -> Path:
    """Give the folder of the sockets, only for this user; a short one under /tmp where FLUEMAN_HOME is a long path."""
    home = Path(settings.FLUEMAN_HOME)
    folder = home / "run"
    if len(os.fsencode(folder / f"m-{'0' * 32}.sock")) > _LONGEST_SOCKET_PATH:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir(), f"flueman-{os.getuid()}-{digest}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)
    return folder


def control_socket() -> Path:
    """Give the socket at which the host is asked for checks and its status."""
    return run_folder() / "host.sock"


def model_socket(version_id: UUID, process: str = "") -> Path:
    """Give the socket of a version's process. It stays the same over restarts, so that callers just connect again."""
    return run_folder() / f"m-{version_id.hex}{process}.sock"


def cache_folder(name: str) -> Path:
    """Give a folder for what can be made again."""
    folder = Path(settings.FLUEMAN_HOME) / "cache" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
