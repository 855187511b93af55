"""Writes of profiles: what was found in a sealed version, kept beside it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson

from common.errors import NotReady
from common.transactions import transactional
from datasets.models import DatasetVersion
from files.models import Blob
from files.services import add_reference, open_blob, release, store
from jobs import services as jobs

PROFILE = "datasets.profile"
FINDINGS_KEPT = 20


def ask_for_profile(*, version: DatasetVersion, actor: Any) -> None:
    """Have a sealed version looked at by a job, in the caller's transaction."""
    jobs.enqueue(
        kind=PROFILE, payload={"version": str(version.pk)}, actor=actor, target=version, key=f"{PROFILE}.{version.pk}"
    )


def profile_version(
    *,
    version: DatasetVersion,
    report: Callable[[int], None] = lambda _rows: None,
    within: AbstractContextManager[None] | None = None,
) -> Mapping[str, Any]:
    """Look at all rows of a sealed version and keep what is found, in place of what was. Give it.

    `report` is told of rows gone by; `within` is entered around the commit. Not inside a transaction. Raises NotReady.
    """
    from datasets.content import local_parts  # noqa: PLC0415 - services are read by web, which reads no rows
    from datasets.profile.profiling import profile, rows_by_part  # noqa: PLC0415 - neither does it load Polars

    if not version.is_sealed:
        raise NotReady(f"{version} is not sealed", code="not_sealed")
    found = profile(rows_by_part(local_parts(version)), version.columns, version.rows, report)
    blob = store(io.BytesIO(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)))
    with within or nullcontext():
        _keep(version, blob, found)
    return found


def profile_of(version: DatasetVersion) -> Mapping[str, Any] | None:
    """Give the profile of a version, None while there is none. Raises NotFound if the store lacks it."""
    if version.profile is None:
        return None
    with open_blob(version.profile) as stream:
        found: Mapping[str, Any] = orjson.loads(stream.read())
    return found


@transactional
def _keep(version: DatasetVersion, blob: Blob, found: Mapping[str, Any]) -> None:
    row = DatasetVersion.objects.select_for_update().get(pk=version.pk)
    add_reference(blob=blob)
    if row.profile is not None:
        release(blob=row.profile)
    row.profile = blob
    row.summary = {
        "findings": found["findings"][:FINDINGS_KEPT],
        "warnings": len(found["findings"]),
        "repeated": found["repeated"],
        "is_repeated_exact": found["is_repeated_exact"],
        "missing": sum(column.get("missing", 0) for column in found["columns"]),
    }
    row.save(update_fields=["profile", "summary"])
    version.profile, version.summary = row.profile, row.summary
