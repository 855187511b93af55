"""Writes of model versions: added, trusted, checked again, archived."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record, record_refusal
from common.errors import Conflict, Invalid, NotReady
from common.strict_json import check_text, loads
from common.transactions import transactional
from datasets.models import DatasetVersion
from files.models import Blob
from files.services import add_reference, adopt, keep_for_a_while
from notify.services import publish
from registry.conversion import demand_servable_kind
from registry.intake import REFUSED_CONTENT, Source, Staged, staged
from registry.manifest import Manifest, list_files
from registry.models import ModelFile, ModelVersion, RegisteredModel, TrainingData
from registry.naming import model_name
from registry.services._state import (
    Actor,
    State,
    check_jobs,
    demand_present,
    demand_reason,
    enqueue_check,
    facts,
    lock_model,
    move,
    tell,
)
from registry.services.approvals import void_approvals
from registry.services.labels import set_tag
from registry.services.models import register_model
from registry.usage import live_usages


class KeptFiles(NamedTuple):
    """Files in the store that are worth a version, and what their manifest says."""

    manifest: Manifest
    blobs: Mapping[str, Blob]
    reason: str = ""  # why they are kept and not served, if they are not


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version was registered from, as its author's client said it."""

    source: str = ""
    run_id: str = ""
    run_link: str = ""
    copied_from: ModelVersion | None = None
    storage_location: str = ""


def add_version(
    *,
    model: RegisteredModel | str,
    files: Mapping[str, Source],
    actor: Actor,
    description: str = "",
    metrics: Mapping[str, float] | None = None,
    manifest: Mapping[str, Any] | None = None,
    trained_on: Sequence[DatasetVersion] = (),
    is_reused: bool = False,
) -> ModelVersion:
    """Keep files, or one zip archive of them, as a new version and have it checked.

    A model given by name is registered if there is none, once its files are found good. `manifest` stands for a
    `flueman.json` that was not sent. With `is_reused` a version of this model with the same content is given instead of
    a second one. Raises Invalid naming the file or field, TooLarge, StorageFull.
    """
    name = model_name(model) if isinstance(model, str) else model.name
    kept = keep_files(name=name, files=files, manifest=manifest, actor=actor)
    return insert_version(
        model=model,
        kept=kept,
        actor=actor,
        description=description,
        metrics=metrics,
        trained_on=trained_on,
        is_reused=is_reused,
    )


@transactional
def insert_version(
    *,
    model: RegisteredModel | str,
    kept: KeptFiles,
    actor: Actor,
    description: str = "",
    metrics: Mapping[str, float] | None = None,
    trained_on: Sequence[DatasetVersion] = (),
    is_reused: bool = False,
    origin: Origin = Origin(),
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Make kept files a version: the quick part of `add_version`."""
    read, blobs, reason = kept
    if isinstance(model, str):
        model = register_model(name=model_name(model), actor=actor)
    digest = content_digest(blobs) if blobs else ""
    if is_reused and (existing := model.versions.present().filter(digest=digest).first()):
        record_training_data(version=existing, trained_on=trained_on, actor=actor)
        return existing
    version = ModelVersion(
        model=model,
        format=read.format,
        manifest=dict(read.raw),
        signature=read.signature.as_dict(),
        metrics=_numbers(metrics if metrics is not None else read.raw.get("metrics")),
        description=check_text(description or str(read.raw.get("description", "")), field="description"),
        digest=digest,
        size_bytes=sum(blob.size_bytes for blob in blobs.values()),
        created_by=actor if isinstance(actor, User) else None,
        state=State.REGISTERED if read.format == ModelVersion.Format.OTHER else State.PENDING,
        refusal=reason,
        source=origin.source,
        run_id=origin.run_id,
        run_link=origin.run_link,
        copied_from=origin.copied_from,
        storage_location=origin.storage_location,
    )
    _insert(version, blobs, task=read.task, actor=actor)
    record_training_data(version=version, trained_on=trained_on, actor=actor)
    for key, value in (tags or {}).items():
        set_tag(target=version, key=key, value=value, actor=actor)
    told = {"name": version.model.name, "version": str(version.number), "source": version.source}
    more = {"run_id": version.run_id, "tags": dict(tags or {}), "description": version.description}
    publish(event="model_version.created", payload={**told, **more})
    return version


def record_training_data(*, version: ModelVersion, trained_on: Sequence[DatasetVersion], actor: Actor) -> None:
    """Say which dataset versions a version was trained on, beside those that are known. Raises NotReady for one that is
    not sealed.
    """
    known = set(version.training_data.values_list("dataset_version_id", flat=True))
    new = [one for one in dict.fromkeys(trained_on) if one.pk not in known]
    for one in new:
        if not one.is_sealed:
            raise NotReady(_("%(version)s is not sealed.") % {"version": one}, code="not_sealed")
    if new:
        TrainingData.objects.bulk_create(TrainingData(version=version, dataset_version=one) for one in new)
        after = {"trained_on": [str(one) for one in new]}
        record(action="registry.training_data_recorded", actor=actor, target=version, after=after)


def content_digest(blobs: Mapping[str, Blob]) -> str:
    """Give the SHA-256 over the names and hashes of files."""
    lines = "".join(f"{blobs[path].sha256}  {path}\n" for path in sorted(blobs))
    return hashlib.sha256(lines.encode()).hexdigest()


def keep_files(
    *,
    name: str,
    files: Mapping[str, Source],
    actor: Actor,
    manifest: Mapping[str, Any] | None = None,
    is_kept: bool = False,
) -> KeptFiles:
    """Judge the files of a version to be and store them: the long part of `add_version`.

    With `is_kept` what cannot be served is kept all the same, with the reason.
    One that is refused for its content is an event of the audit.
    """
    try:
        with staged(files, manifest=manifest, is_kept=is_kept) as sent:
            loads(json.dumps(sent.manifest.raw).encode())  # refuses what no database keeps: NUL, half a surrogate pair
            blobs = {path: _blob_of(sent, path) for path in sorted(list_files(sent.folder))}
            return KeptFiles(sent.manifest, blobs, sent.reason)
    except Invalid as error:
        if error.code == REFUSED_CONTENT:
            record_refusal(action="registry.version_added", actor=actor, target_label=name, reason=error.message)
        raise


def show_manifest(*, files: Mapping[str, Source], manifest: Mapping[str, Any] | None = None) -> str:
    """Give the manifest that files would have as a version, judged like one; nothing is kept. Raises Invalid."""
    with staged(files, manifest=manifest) as sent:
        return json.dumps(sent.manifest.raw, ensure_ascii=False, indent=2)


def _blob_of(sent: Staged, path: str) -> Blob:
    """Keep a file; one that lies in the store already is neither read nor written again."""
    known = sent.known.get((sent.folder / path).stat().st_ino)
    return keep_for_a_while(blob=known) if known else adopt(sent.folder / path)


def _numbers(given: Any) -> dict[str, float]:
    """Give the numbers among metrics by name: what an author writes into a manifest may be anything."""
    pairs = given.items() if isinstance(given, Mapping) else ()
    return {
        str(name)[:100]: value
        for name, value in pairs
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _insert(version: ModelVersion, blobs: Mapping[str, Blob], *, task: str, actor: Actor) -> ModelVersion:
    model = RegisteredModel.objects.present().filter(pk=version.model.pk)
    # The model's row stays locked to the end: numbers have no gap and are never given twice.
    if not model.update(last_version=F("last_version") + 1, updated_at=timezone.now()):
        raise Conflict(_("The model %(model)s is deleted.") % {"model": version.model}, code="deleted")
    version.number = model.values_list("last_version", flat=True).get()
    model.filter(task="").update(task=task)
    version.full_clean(validate_unique=False, validate_constraints=False)
    version.save(force_insert=True)
    for blob in sorted(blobs.values(), key=lambda blob: blob.pk):  # as a purge does: they never wait in a ring
        add_reference(blob=blob)
    ModelFile.objects.bulk_create(ModelFile(version=version, path=path, blob=blob) for path, blob in blobs.items())
    tell(version, "version_added", actor, {})
    if version.state == State.PENDING and not version.is_waiting_for_trust:
        enqueue_check(version, actor)
    return version


@transactional
def trust_version(*, version: ModelVersion, actor: User, reason: str) -> ModelVersion:
    """Let a program run, and have it checked. Raises Conflict if it is none or is trusted, Invalid without a reason."""
    demand_reason(reason)
    if not version.is_program:
        raise Conflict(_("This version holds only weights: it needs no trust."))
    before = facts(version)
    if not ModelVersion.objects.present().filter(pk=version.pk, is_trusted=False).update(is_trusted=True):
        raise Conflict(_("This version is trusted already."))
    version.refresh_from_db()
    if version.state in (State.PENDING, State.REFUSED):
        move(version, (State.PENDING, State.REFUSED), State.PENDING, refusal="")
        enqueue_check(version, actor)
    tell(version, "version_trusted", actor, before, reason=reason)
    return version


@transactional
def recheck(*, version: ModelVersion, actor: Actor, reason: str = "") -> ModelVersion:
    """Have a version checked again, an archived one to bring it back.

    Raises Conflict while a check is under way, the version serves, it is a program that nobody trusts, or only kept.
    """
    demand_servable_kind(version)
    if version.is_program and not version.is_trusted:
        raise Conflict(_("This version is a program: somebody has to trust it first."))
    _lock(version)
    before = facts(version)
    if check_jobs(version).unfinished().exists():
        raise Conflict(_("A check of this version is under way."))
    move(version, tuple(set(State) - {State.DELETED}), State.PENDING, refusal="")
    _demand_unused(version)
    enqueue_check(version, actor)
    void_approvals(versions=[version], actor=actor)
    tell(version, "version_rechecked", actor, before, reason=reason)
    return version


@transactional
def archive_version(*, version: ModelVersion, actor: Actor, reason: str = "") -> ModelVersion:
    """Put a version away; a new check brings it back. Raises Conflict while it serves, has an alias, or is checked."""
    _lock(version)
    before = facts(version)
    if names := list(version.aliases.values_list("name", flat=True)):
        raise Conflict(_("The alias %(names)s points at it: move it first.") % {"names": ", ".join(names)})
    move(version, (State.READY, State.REFUSED, State.PENDING), State.ARCHIVED)
    _demand_unused(version)
    void_approvals(versions=[version], actor=actor)
    tell(version, "version_archived", actor, before, reason=reason)
    return version


@transactional
def update_version(*, version: ModelVersion, actor: Actor, description: str) -> ModelVersion:
    """Change a version's description: nothing else of it ever changes."""
    _lock(version)
    before = ModelVersion.objects.values_list("description", flat=True).get(pk=version.pk)
    if before != description:
        version.description = description
        version.save(update_fields=["description", "updated_at"])
        old, new = {"description": before}, {"description": description}
        record(action="registry.version_changed", actor=actor, target=version, before=old, after=new)
    return version


def _lock(version: ModelVersion) -> None:
    lock_model(version.model)
    version.refresh_from_db()
    demand_present(version)


def _demand_unused(version: ModelVersion) -> None:
    """Raise Conflict where a version whose state has just been moved serves: who deploys it locks its row first."""
    if usages := live_usages(ModelVersion.objects.filter(pk=version.pk)).get(version.pk):
        names = ", ".join(usage.label for usage in usages)
        raise Conflict(_("It serves %(names)s: deploy another version there first.") % {"names": names})
