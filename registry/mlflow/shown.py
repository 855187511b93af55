"""Models and versions as MLflow's clients read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.artifact_paths import SCHEME, VERSIONS
from registry.models import ModelVersion, RegisteredModel

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def model_body(model: RegisteredModel, newest: Iterable[ModelVersion] = ()) -> dict[str, Any]:
    """Give a registered model with the newest versions of its stages."""
    return {
        "name": model.name,
        "creation_timestamp": in_ms(model.created_at),
        "last_updated_timestamp": in_ms(model.updated_at),
        "user_id": model.owner.username if model.owner else "",
        "description": model.description,
        "latest_versions": [version_body(version) for version in newest],
        "tags": _tags(model),
        "aliases": [{"alias": alias.name, "version": str(alias.version.number)} for alias in model.aliases.all()],
        "deployment_job_id": model.deployment_job_id,
    }


def version_body(version: ModelVersion) -> dict[str, Any]:
    """Give a version; whether it can be served is another matter than its status."""
    is_refused = version.state == ModelVersion.State.REFUSED
    return {
        "name": version.model.name,
        "version": str(version.number),
        "creation_timestamp": in_ms(version.created_at),
        "last_updated_timestamp": in_ms(version.updated_at),
        "user_id": version.created_by.username if version.created_by else "",
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source or f"{SCHEME}:/{VERSIONS}/{version.pk.hex}",
        "run_id": version.run_id,
        "status": "FAILED_REGISTRATION" if is_refused else "READY",
        "status_message": version.refusal if is_refused else "",
        "tags": _tags(version),
        "run_link": version.run_link,
        "aliases": [alias.name for alias in version.aliases.all()],
    }


def versions_body(versions: Sequence[ModelVersion]) -> dict[str, Any]:
    """Give some versions."""
    return {"model_versions": [version_body(version) for version in versions]}


def in_ms(time: datetime) -> int:
    """Give a time in milliseconds since 1970, without the rounding of a float."""
    return (time - _EPOCH) // _MS


def _tags(target: RegisteredModel | ModelVersion) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in target.tags.all()]
