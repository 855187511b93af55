"""An export as a job's work, or written straight to a place by a command."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from django.db.models import Sum
from django.utils.translation import gettext as _

from common.display import thousands
from common.errors import Conflict
from datasets.content import local_parts
from datasets.export.places import Archive, Folder, whole_file
from datasets.export.writing import ENDINGS, Content, Options, Piece, is_one_file, rows_of, write_all, write_one
from datasets.models import DatasetVersion
from files.models import Blob
from files.services import adopt, name_blob
from files.services.quotas import demand_room
from files.storage import incoming_folder, told_when_full
from jobs.runner import JobRun


def run_export(run: JobRun, version: DatasetVersion) -> None:
    """Write an export and make it a file of whoever asked for it. Raises a FluemanError."""
    owner = run.job.created_by
    if owner is None:
        raise Conflict(_("Whoever asked for the export has gone."), code="owner_gone")
    options, content = Options(**run.payload["options"]), content_of(version)
    if options.format not in ENDINGS:  # parts go in as they are, so their size is known before
        own = version.parts.filter(split__in=content.chosen(options)).aggregate(size=Sum("size_bytes"))
        demand_room(owner=owner, size_bytes=own["size"] or 0)
    total, done = rows_of(content, options), 0

    def tell(rows: int) -> None:
        nonlocal done
        done += rows
        told = _("%(rows)s of %(total)s rows") % {"rows": thousands(done), "total": thousands(total)}
        run.report(100 * done / max(1, total), told)

    blob = _kept(content, options, tell)
    run.result({"rows": total, "size_bytes": blob.size_bytes})
    with run.succeed():
        stored = name_blob(blob=blob, name=file_name(version, content, options), owner=owner)
        run.result({"file": str(stored.pk), "name": stored.name})


def content_of(version: DatasetVersion) -> Content:
    """Give what an export writes."""
    splits: Counter[str] = Counter()
    for split, rows in version.parts.order_by("number").values_list("split", "rows"):
        splits[split] += rows
    dataset = version.dataset
    facts = {
        "name": dataset.name,
        "version": str(version),
        "description": version.description or dataset.description,
        "licence": dataset.licence,
        "tags": [tag.name for tag in dataset.tags.all()],
        "has_personal_data": dataset.has_personal_data,
    }
    return Content(splits, partial(_pieces, version), facts)


def export_to(version: DatasetVersion, options: Options, path: Path, tell: Callable[[int], None]) -> None:
    """Write an export to a file or a folder of this machine. Raises Conflict for a folder with other things in it."""
    content = content_of(version)
    with told_when_full():
        if is_one_file(content, options):
            whole_file(path, lambda stream: write_one(content, options, stream, tell))
            return
        folder = Folder(path)
        write_all(content, options, folder, tell)
        folder.finish()


def file_name(version: DatasetVersion, content: Content, options: Options) -> str:
    """Give the name of the file that an export becomes."""
    split = f"-{options.split}" if options.split else ""
    kind = options.format if is_one_file(content, options) else f"{options.format}.zip"
    return f"{version.dataset.name[:60]}-v{version.number}{split}.{kind.replace('_parts', '')}"


def _pieces(version: DatasetVersion, split: str) -> Iterator[Piece]:
    for part in local_parts(version, split=split):
        yield Piece(part.path, part.split, part.first_row, part.rows)


def _kept(content: Content, options: Options, tell: Callable[[int], None]) -> Blob:
    descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    try:
        with told_when_full(), os.fdopen(descriptor, "wb") as stream:
            if is_one_file(content, options):
                write_one(content, options, stream, tell)
            else:
                archive = Archive(stream)
                write_all(content, options, archive, tell)
                archive.finish()
        return adopt(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)
