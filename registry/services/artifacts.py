"""The artifact tree: files put, taken away, and made the files of versions, always without a copy of their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db.models import F, Sum, Value
from django.db.models.functions import StrIndex, Substr

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid, NotFound
from common.transactions import transactional
from files.models import Blob
from files.services import add_reference, release
from files.services.quotas import demand_room
from registry.archives import MAX_ENTRIES
from registry.artifact_paths import SCHEME, VERSIONS, artifact_path, source_path, version_of
from registry.models import Artifact, ModelFile, ModelVersion
from registry.services._state import Actor
from registry.services.versions import KeptFiles, keep_files

BATCH = 200
T = TypeVar("T")


class Entry(NamedTuple):
    """What stands in a folder: a file with its size, or a folder."""

    name: str
    is_folder: bool
    size_bytes: int = 0


@transactional
def demand_place(*, path: str, size_bytes: int, actor: User, blob: Blob | None = None) -> str:
    """Give a path in its one form, once so many bytes may be put at it; `blob` if they are here.

    Raises Invalid for a bad path, Conflict where a folder and a file would have one name, TooLarge or StorageFull past
    a quota.
    """
    path = writable_path(path)
    held = Artifact.objects.filter(path=path).select_related("blob").first()
    freed = held.blob.size_bytes if held and held.owner_id == actor.pk else 0
    demand_room(owner=actor, size_bytes=size_bytes - freed, blob=blob)
    if held is None:
        _demand_apart(path)
    return path


@transactional
def put_artifact(*, path: str, blob: Blob, actor: User, upload_id: UUID | None = None) -> Artifact:
    """Put a blob at a path, in the place of what was there; `upload_id` is what it was sent by, if in parts.

    Raises as `demand_place`.
    """
    path = demand_place(path=path, size_bytes=blob.size_bytes, actor=actor, blob=blob)
    new = {"blob": blob, "owner": actor, "upload_id": upload_id}
    artifact, is_new = Artifact.objects.select_for_update().get_or_create(path=path, defaults=new)
    before = {} if is_new else {"sha256": artifact.blob_id}
    if is_new or artifact.blob_id != blob.pk:
        add_reference(blob=blob)
    if not is_new and artifact.blob_id != blob.pk:
        release(blob=artifact.blob)
    if not is_new:
        artifact.blob, artifact.owner, artifact.upload_id = blob, actor, upload_id
        artifact.save(update_fields=["blob", "owner", "upload_id", "updated_at"])
    after = {"sha256": blob.pk, "size_bytes": blob.size_bytes}
    record(action="registry.artifact_put", actor=actor, target_label=path, before=before, after=after)
    if is_new:  # who else puts something waits at the end of the audit chain: of two at once the second sees the first
        _demand_apart(path)
    return artifact


def is_made_of(*, path: str, upload_id: UUID, actor: User) -> bool:
    """Whether what stands at a path is what this person sent by an upload."""
    return Artifact.objects.filter(path=path, upload_id=upload_id, owner=actor).exists()


def delete_artifacts(*, path: str, actor: Actor) -> int:
    """Delete a file, or a folder with all that is in it, and give how many files went. Raises NotFound if none did."""
    path = writable_path(path)
    gone = 0
    while count := _delete_some(path=path, actor=actor):
        gone += count
        if count < BATCH:
            break
    if not gone:
        raise _nothing(path)
    return gone


@transactional
def _delete_some(*, path: str, actor: Actor) -> int:
    # Ordered by blob, as all who count several: they never wait for each other in a ring.
    rows = Artifact.objects.at_or_below(path).select_for_update().select_related("blob").order_by("blob_id", "pk")
    gone = []
    for artifact in rows[:BATCH]:
        if Artifact.objects.filter(pk=artifact.pk, blob=artifact.blob).delete()[0]:
            release(blob=artifact.blob)
            gone.append(artifact.path)
    if gone:
        after = {"files": len(gone), "first": sorted(gone)[0]}
        record(action="registry.artifacts_deleted", actor=actor, target_label=path, after=after)
    return len(gone)


def list_folder(path: str) -> list[Entry]:
    """Give what stands right in a folder, by name; nothing for a file, and for what is not there."""
    path = artifact_path(path)
    if where := version_of(path):
        return _listed({file.path: file.blob.size_bytes for file in _files_of(where[0])}, where[1])
    if not path:
        rows = Artifact.objects.annotate(rest=F("path"))
    else:
        rows = Artifact.objects.below(path).annotate(rest=Substr("path", len(path) + 2))
    rows = rows.annotate(slash=StrIndex("rest", Value("/"))).order_by()
    files = rows.filter(slash=0).values_list("rest", "blob__size_bytes")
    folders = rows.filter(slash__gt=0).annotate(top=Substr("rest", 1, F("slash") - 1)).values_list("top", flat=True)
    found = [Entry(name, False, size) for name, size in files]
    return sorted([*found, *(Entry(name, True) for name in folders.distinct())])


def find_artifact(path: str) -> tuple[str, Blob]:
    """Give the name and the blob of a file of the tree. Raises Invalid, NotFound."""
    path = artifact_path(path)
    if where := version_of(path):
        found = next((file.blob for file in _files_of(where[0]) if file.path == where[1]), None)
    else:
        artifact = Artifact.objects.filter(path=path).select_related("blob").first()
        found = artifact.blob if artifact else None
    if found is None:
        raise _nothing(path)
    return path.rpartition("/")[2], found


def files_below(path: str) -> dict[str, Blob]:
    """Give the files of a folder by their path in it, or the one file of a path. Raises Invalid for too many."""
    if where := version_of(path):
        found = {file.path: file.blob for file in _files_of(where[0])}
        inside = where[1]
        return _below(found, inside) or {key.rpartition("/")[2]: blob for key, blob in found.items() if key == inside}
    rows = Artifact.objects.at_or_below(path).select_related("blob").order_by("path")[: MAX_ENTRIES + 1]
    found = {artifact.path: artifact.blob for artifact in rows}
    if len(found) > MAX_ENTRIES:
        raise Invalid(f"the folder {path[:200]} holds more than {MAX_ENTRIES} files: register one within it")
    return {key.removeprefix(f"{path}/") if key != path else key.rpartition("/")[2]: it for key, it in found.items()}


def keep_source(*, source: str, name: str, actor: Actor) -> KeptFiles | None:
    """Give the files that a version's source names as files of a version to be, `None` if they do not lie here.

    What cannot be served is kept all the same. Raises Invalid for a source that leads out of the tree.
    """
    path = source_path(source)
    files = files_below(path) if path else {}
    return keep_files(name=name, files=files, actor=actor, is_kept=True) if files else None


def artifact_uri(version: ModelVersion) -> str:
    """Give where MLflow's clients find the files of a version: what was registered, whatever has come to its source."""
    return f"{SCHEME}:/{VERSIONS}/{version.pk.hex}" if version.files.exists() else version.source


def kept_bytes(user: User) -> int:
    """Give how many bytes of the tree are somebody's."""
    return Artifact.objects.filter(owner=user).aggregate(total=Sum("blob__size_bytes"))["total"] or 0


def writable_path(path: str) -> str:
    """Give a path that something may be put at. Raises Invalid."""
    path = artifact_path(path)
    if not path or version_of(path):
        raise Invalid(f"Invalid path {path[:200]!r}: nothing is changed there", fields={"path": "is read only"})
    return path


def _demand_apart(path: str) -> None:
    """Raise Conflict where a folder and a file would have one name."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    if taken := Artifact.objects.filter(path__in=above).first() or Artifact.objects.below(path).first():
        raise Conflict(f"{taken.path} is there: a folder and a file cannot have one name", code="name_taken")


def _files_of(version_id: UUID) -> list[ModelFile]:
    found = ModelFile.objects.filter(version__in=ModelVersion.objects.present().filter(pk=version_id))
    return list(found.select_related("blob").order_by("path"))


def _listed(files: Mapping[str, int], folder: str) -> list[Entry]:
    inside = _below(files, folder)
    folders = {path.partition("/")[0] for path in inside if "/" in path}
    plain = [Entry(path, False, size) for path, size in inside.items() if "/" not in path]
    return sorted([*plain, *(Entry(name, True) for name in folders)])


def _below(files: Mapping[str, T], folder: str) -> dict[str, T]:
    start = f"{folder}/" if folder else ""
    return {path.removeprefix(start): it for path, it in files.items() if path.startswith(start)}


def _nothing(path: str) -> NotFound:
    return NotFound(f"No such artifact: {path[:200]!r}")
