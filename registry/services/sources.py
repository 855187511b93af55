"""Versions registered by an address: copies of versions here, folders in the artifact store, what lies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import NotFound
from registry.manifest import Manifest
from registry.models import ModelVersion, RegisteredModel
from registry.services._state import Actor
from registry.services.artifacts import artifact_uri, keep_source
from registry.services.versions import KeptFiles, Origin, insert_version
from registry.signature import Signature
from registry.sources import NamedVersion, check_source, named_version


def register_source(
    *,
    model: RegisteredModel,
    source: str,
    actor: Actor,
    run_id: str = "",
    run_link: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Make a version of what an address names: a copy of a version, a folder of the artifact store, or neither.

    A copy has the files of its original and is checked like any version; what lies elsewhere is only registered, and
    never opened. Raises Invalid for an address that is none, NotFound for a version that there is not.
    """
    source = check_source(source)
    named = named_version(source)
    original = _original(find_named(named)) if named else None
    kept = _files_of(original) if original else keep_source(source=source, name=model.name, actor=actor)
    return insert_version(
        model=model,
        kept=kept or NOTHING,
        actor=actor,
        description=description,
        metrics=original.metrics if original else None,
        origin=Origin(
            source=source,
            run_id=run_id,
            run_link=run_link,
            copied_from=original,
            storage_location=download_uri(original) if original and not kept else "",
        ),
        tags=tags,
    )


def find_named(named: NamedVersion) -> ModelVersion:
    """Give the version of a name. Raises NotFound."""
    versions = ModelVersion.objects.present().filter(model__name=named.model).select_related("model", "copied_from")
    is_there = {"number": named.number} if named.number is not None else {"aliases__name": named.alias}
    version = versions.filter(**is_there).first()
    if version is None:
        which = f"version={named.number}" if named.number is not None else f"alias={named.alias}"
        raise NotFound(f"Model Version (name={named.model[:200]}, {which[:200]}) not found")
    return version


def download_uri(version: ModelVersion) -> str:
    """Give the address at which MLflow's clients find the files of a version, or of its original if it has none."""
    return version.storage_location or artifact_uri(version if version.files.exists() else _original(version))


def _original(version: ModelVersion) -> ModelVersion:
    return version.copied_from or version


def _files_of(version: ModelVersion) -> KeptFiles | None:
    """Give the files of a version for another; what is only kept stays so, and for the same reason."""
    blobs = {file.path: file.blob for file in version.files.select_related("blob")}
    if not blobs:
        return None
    signature = version.parsed_signature() if version.signature.get("inputs") else NO_SIGNATURE
    reason = version.refusal if version.format == ModelVersion.Format.OTHER else ""
    return KeptFiles(_manifest(version.format, signature, version.manifest), blobs, reason)


def _manifest(kind: str, signature: Signature, raw: Mapping[str, object]) -> Manifest:
    return Manifest(
        format=kind,
        architecture=None,
        arguments={},
        task="",
        signature=signature,
        weights="",
        tokeniser=None,
        labels=None,
        limits={},
        sample={},
        raw=dict(raw),
    )


NO_SIGNATURE = Signature((), ())
KIND = str(ModelVersion.Format.OTHER)
NOTHING = KeptFiles(_manifest(KIND, NO_SIGNATURE, {"format": KIND}), {})
