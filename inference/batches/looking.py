"""Asking what is in a file, from web: the file is read by a process of its own (`look.py`)."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from common import sandbox
from common.errors import Invalid, NotFound, Unavailable
from files.models import Blob, StoredFile
from files.services import open_blob
from files.storage import is_on_disk
from inference.batches.looks import FileColumn, Look
from inference.host.places import cache_folder
from registry.models import ModelVersion
from registry.wording import in_words

DEADLINE_S = 30.0
AT_ONCE = 2  # in this process
_room = threading.Semaphore(AT_ONCE)


def look_into(*, file: StoredFile, version: ModelVersion, columns: Mapping[str, str], id_column: str = "") -> Look:
    """Give the columns of a file, which of them fit a version's inputs, and how its first rows fare.

    Raises Invalid for a file that cannot be read, Unavailable if too many are being looked into.
    """
    question = {"name": file.name, "signature": version.signature, "columns": dict(columns), "id_column": id_column}
    if not _room.acquire(timeout=DEADLINE_S):
        raise Unavailable(_("Too many files are being looked into."), retry_after_s=5)
    try:
        with _local(file.blob) as path:
            said = _ask(path, question)
    finally:
        _room.release()
    if "error" in said:
        fields = {name: in_words(text) for name, text in said["error"]["fields"].items()}
        raise Invalid(in_words(said["error"]["message"]), fields=fields)
    return Look(**{**said, "file_columns": [FileColumn(**column) for column in said["file_columns"]]})


def _ask(path: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    told = _("The file cannot be read: its reader broke.")
    try:
        done = subprocess.run(
            sandbox.command("inference.batches.look", "--file", str(path)),
            input=json.dumps(question).encode(),
            capture_output=True,
            env=sandbox.environment(threads=1),
            timeout=DEADLINE_S,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise Invalid(told, fields={"file": told}) from None
    return answer


@contextmanager
def _local(blob: Blob) -> Iterator[Path]:
    """Give the bytes of a blob as a file of this machine."""
    if is_on_disk():
        path = Path(default_storage.path(blob.storage_key))
        if not path.exists():
            raise NotFound(_("The file store lacks the bytes."), code="blob_missing")
        yield path
        return
    with tempfile.NamedTemporaryFile(dir=cache_folder("looks")) as copy, open_blob(blob) as source:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)
