"""What the steps of a running recipe may ask of the rows and blobs around them."""

from __future__ import annotations

import hmac
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import NotFound, TooLarge
from common.transactions import transactional
from datasets.content import local_parts
from datasets.engines.table import Table
from datasets.models import Artefact, DatasetVersion, PreprocessingJob
from datasets.progress import Progress
from datasets.services.versions import sealed_version
from files.models import Blob, StoredFile
from files.services import add_reference, open_blob, release, store

LARGEST_ARTEFACT = 256 << 20
TableOf = Callable[[list[tuple[Path, int]]], Table]


class JobContext:
    """The surroundings of one run; `number` is the step that asks."""

    def __init__(self, preprocessing: PreprocessingJob, progress: Progress, table_of: TableOf) -> None:
        self._preprocessing, self._progress, self._table_of = preprocessing, progress, table_of
        self._reports: dict[int, dict[str, Any]] = {}
        self.number = 0

    def other(self, version_id: str) -> Table:
        """Give the rows of another sealed version. Raises NotFound."""
        return self._table_of(files_of(sealed_version(version_id)))

    def artefact(self, reference: str) -> bytes:
        """Give a file that a step has kept, or one of the person who began the run. Raises NotFound, TooLarge."""
        named = self._preprocessing.artefacts.filter(name=reference, step__lt=self.number).order_by("-step").first()
        reference = named.blob_id if named else reference
        own = StoredFile.objects.visible_to(self._preprocessing.created_by_id).present()
        is_known = Artefact.objects.filter(blob_id=reference).exists() or own.filter(blob_id=reference).exists()
        blob = Blob.objects.filter(pk=reference).first() if is_known else None
        if blob is None:
            raise NotFound(_("There is no file “%(name)s…”.") % {"name": reference[:12]}, code="no_artefact")
        if blob.size_bytes > LARGEST_ARTEFACT:
            raise TooLarge(_("This file is too large for a step."))
        with open_blob(blob) as stream:
            return bytes(stream.read())

    def keep(self, name: str, content: bytes) -> str:
        """Keep a file that this step made; give its SHA-256."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            blob = store(Path(file.name))
        _name_artefact(self._preprocessing, self.number, name, blob)
        return blob.sha256

    def key(self, purpose: str) -> bytes:
        """Give a key of this installation, which no recipe holds."""
        return hmac.digest(settings.SECRET_KEY.encode(), f"flueman step {purpose}".encode(), "sha256")

    def report(self, **facts: Any) -> None:
        """Add to what this step tells people."""
        told = self._reports.setdefault(self.number, {})
        told.update(facts)
        self._progress.note(self.number, report=dict(told))


def files_of(version: DatasetVersion, split: str | None = None) -> list[tuple[Path, int]]:
    """Give the Parquet files of a version, each with its rows."""
    return [(part.path, part.rows) for part in local_parts(version, split=split)]


@transactional
def _name_artefact(preprocessing: PreprocessingJob, step: int, name: str, blob: Blob) -> None:
    """Keep a blob under its name, over what an attempt before this one has kept."""
    known = Artefact.objects.filter(preprocessing=preprocessing, step=step, name=name).first()
    if known and known.blob_id == blob.pk:
        return
    if known:
        release(blob=known.blob)
        known.delete()
    add_reference(blob=blob)
    Artefact.objects.create(preprocessing=preprocessing, step=step, name=name, blob=blob)
