"""Writes of dataset versions: begun, sealed once, or given up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, NotFound, NotReady
from common.names import composed
from common.transactions import transactional
from datasets.models import Dataset, DatasetPart, DatasetVersion, RecipeVersion, Source
from datasets.sealing import PartFacts, PartFile, content_digest
from datasets.services.profiles import ask_for_profile
from files.models import Blob
from files.services import add_reference, store

State = DatasetVersion.State


@transactional
def begin_version(
    *,
    dataset: Dataset,
    actor: Any,
    source: Source | None = None,
    parent: DatasetVersion | None = None,
    recipe: RecipeVersion | None = None,
    description: str = "",
) -> DatasetVersion:
    """Take the next number of a dataset for rows that are still to be written. Raises NotReady, Conflict."""
    if parent and not parent.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": parent}, code="not_sealed")
    counted = Dataset.objects.present().filter(pk=dataset.pk)
    if not counted.update(last_version=F("last_version") + 1, updated_at=timezone.now()):
        raise Conflict(_("The dataset is archived."), code="archived")
    return DatasetVersion.objects.create(
        dataset=dataset,
        number=counted.values_list("last_version", flat=True).get(),
        source=source,
        parent=parent,
        recipe=recipe,
        description=description,
        created_by=actor if getattr(actor, "pk", None) else None,
    )


def find_version(name: str) -> DatasetVersion:
    """Give the sealed version that is called `NAME:3`, the newest one for `NAME` alone. Raises NotFound."""
    numbered = re.fullmatch(r"(.+):([0-9]{1,9})", name.strip(), re.DOTALL)
    dataset, number = numbered.groups() if numbered else (name.strip(), "")
    found = DatasetVersion.objects.sealed().filter(dataset__name=composed(dataset)).select_related("dataset")
    if version := (found.filter(number=number) if number else found).order_by("-number").first():
        return version
    raise NotFound(_("There is no sealed dataset version “%(name)s”.") % {"name": name[:150]}, code="unknown_version")


def sealed_version(version_id: str) -> DatasetVersion:
    """Give the sealed version of an id, which may be any text. Raises NotFound."""
    try:
        key = UUID(version_id)
    except ValueError:
        key = UUID(int=0)
    if version := DatasetVersion.objects.sealed().filter(pk=key).first():
        return version
    raise NotFound(_("There is no sealed version “%(id)s”.") % {"id": version_id[:100]}, code="no_version")


def seal_version(
    *,
    version: DatasetVersion,
    columns: Sequence[dict[str, str]],
    parts: Sequence[PartFile],
    actor: Any,
    rejected_rows: int = 0,
    rejects: Path | None = None,
    within: AbstractContextManager[None] | None = None,
) -> DatasetVersion:
    """Keep the parts in the store and make the version whole and unchangeable, all at once.

    `within` is entered around the commit, as `JobRun.succeed`. Not inside a transaction. Raises Conflict if the version
    is not being written any more.
    """
    blobs = [store(part.path) for part in parts]
    kept_rejects = store(rejects) if rejects else None
    with within or nullcontext():
        return _seal(version, list(columns), parts, blobs, actor, rejected_rows, kept_rejects)


@transactional
def _seal(
    version: DatasetVersion,
    columns: list[dict[str, str]],
    parts: Sequence[PartFile],
    blobs: Sequence[Blob],
    actor: Any,
    rejected_rows: int,
    rejects: Blob | None,
) -> DatasetVersion:
    facts = [PartFacts(part.split, part.rows, blob.sha256) for part, blob in zip(parts, blobs, strict=True)]
    digest = content_digest(columns, facts)
    changed = DatasetVersion.objects.filter(pk=version.pk, state=State.WRITING).update(
        state=State.SEALED,
        columns=columns,
        rows=sum(part.rows for part in parts),
        size_bytes=sum(blob.size_bytes for blob in blobs),
        digest=digest,
        rejected_rows=rejected_rows,
        rejects=rejects,
        sealed_at=timezone.now(),
    )
    if not changed:
        raise Conflict(_("%(version)s is not being written.") % {"version": version}, code="not_writing")
    rows, first = [], 0
    for number, (part, blob) in enumerate(zip(parts, blobs, strict=True)):
        add_reference(blob=blob)
        size = {"rows": part.rows, "size_bytes": blob.size_bytes}
        rows.append(DatasetPart(version=version, split=part.split, number=number, first_row=first, blob=blob, **size))
        first += part.rows
    DatasetPart.objects.bulk_create(rows, batch_size=500)
    if rejects:
        add_reference(blob=rejects)
    version.refresh_from_db()
    after = {"digest": digest, "rows": version.rows, "rejected_rows": rejected_rows}
    record(action="datasets.version_sealed", actor=actor, target=version, after=after)
    ask_for_profile(version=version, actor=actor)
    return version


@transactional
def give_up_version(*, version: DatasetVersion, actor: Any, reason: str) -> None:
    """Say that a version will not be made; nothing happens if it is sealed or given up already."""
    if DatasetVersion.objects.filter(pk=version.pk, state=State.WRITING).update(state=State.FAILED):
        record(action="datasets.version_failed", actor=actor, target=version, reason=reason[:1000])
