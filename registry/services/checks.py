"""What the check of a version does to it: begun, passed, refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from common.errors import Invalid
from common.transactions import transactional
from files.models import Blob
from files.services import add_reference, release
from notify.services import publish
from registry.models import ModelFile, ModelVersion
from registry.services._state import State, check_jobs, facts, move, tell
from registry.signature import parse_signature

CHECKER = "model host"


def start_check(*, version: ModelVersion) -> ModelVersion:
    """Mark a version as being checked; a second attempt may find it so. Raises Conflict if its check is over."""
    move(version, (State.PENDING, State.CHECKING), State.CHECKING, check_report={})
    return version


def note_step(*, version: ModelVersion, step: Mapping[str, Any]) -> None:
    """Keep one step of a running check for who looks on. Raises Conflict if it is not being checked."""
    others = [one for one in version.check_report.get("steps", []) if one["step"] != step["step"]]
    move(version, (State.CHECKING,), State.CHECKING, check_report={"steps": [*others, dict(step)]})


@transactional
def pass_check(
    *,
    version: ModelVersion,
    report: Mapping[str, Any],
    converted: Mapping[str, Blob] | None,
    manifest: Mapping[str, Any],
) -> ModelVersion:
    """Make a version ready with what its check found; `converted` files take the place of the uploaded weights.

    Raises Conflict if it is not being checked, Invalid if the manifest names weights that it does not have.
    """
    changes = {
        "manifest": dict(manifest),
        "format": manifest["format"],
        "signature": parse_signature(manifest.get("signature")).as_dict(),
        "check_report": dict(report),
        "checked_at": timezone.now(),
        "refusal": "",
    }
    before = facts(version)
    move(version, (State.CHECKING,), State.READY, **changes)
    if converted:
        _replace_files(version, converted, old_weights=before["weights"])
    if not version.is_remote and not version.files.filter(path=version.weights_path).exists():
        raise Invalid(f"weights: {version.weights_path} is not among the files of the version")
    publish(event="model_version.passed", payload=_named(version), target=version)
    tell(version, "version_passed", CHECKER, before)
    return version


@transactional
def refuse(*, version: ModelVersion, reason: str, report: Mapping[str, Any]) -> ModelVersion:
    """Refuse a version for what its check found. Raises Conflict if it is not being checked."""
    before = facts(version)
    changes = {"refusal": reason, "check_report": dict(report), "checked_at": timezone.now()}
    move(version, (State.CHECKING,), State.REFUSED, **changes)
    publish(event="model_version.refused", payload={**_named(version), "reason": reason}, target=version)
    tell(version, "version_refused", CHECKER, before, reason=reason, outcome="refused")
    return version


def release_checks() -> int:
    """Give back to waiting the versions whose check job ended without a result, and give how many they were."""
    checking = ModelVersion.objects.filter(state=State.CHECKING).select_related("model")
    ended = [version for version in checking if not check_jobs(version).unfinished().exists()]
    for version in ended:
        _release(version)
    return len(ended)


@transactional
def _release(version: ModelVersion) -> None:
    before = facts(version)
    move(version, (State.CHECKING,), State.PENDING, check_report={})
    tell(version, "version_unchecked", CHECKER, before, outcome="failed")


def _named(version: ModelVersion) -> dict[str, Any]:
    return {"model": version.model.name, "version": version.number}


def _replace_files(version: ModelVersion, converted: Mapping[str, Blob], *, old_weights: str) -> None:
    gone = set(converted) | ({old_weights} if old_weights != version.weights_path else set())
    for file in version.files.filter(path__in=gone).select_related("blob"):
        release(blob=file.blob)
        file.delete()
    for path, blob in converted.items():
        add_reference(blob=blob)
        ModelFile.objects.create(version=version, path=path, blob=blob)
    version.size_bytes = version.files.aggregate(total=Sum("blob__size_bytes"))["total"]
    version.save(update_fields=["size_bytes"])
