"""`model-versions/…`: nine calls for versions."""

from __future__ import annotations

from typing import Any

from registry import services
from registry.mlflow.door import Asked
from registry.mlflow.models import find_model, find_version, tag_value
from registry.mlflow.newest import shown
from registry.mlflow.searching import MOST_ROWS, present_versions, version_search
from registry.mlflow.shown import version_body, versions_body
from registry.models import ModelVersion
from registry.naming import tag_key
from registry.services.sources import download_uri, register_source
from registry.services.stages import set_stage

MOST_VERSIONS = 200_000


def create(asked: Asked) -> dict[str, Any]:
    """Register a version of what an address names."""
    said = asked.said
    version = register_source(
        model=find_model(said.name()),
        source=said.need("source"),
        actor=asked.user,
        run_id=said.text("run_id", most=64),
        run_link=said.text("run_link", most=500),
        description=said.text("description"),
        tags=said.tags(),
    )
    return _body(version)


def update(asked: Asked) -> dict[str, Any]:
    """Change the description."""
    version = _version(asked)
    services.update_version(version=version, actor=asked.user, description=asked.said.text("description"))
    return _body(version)


def transition_stage(asked: Asked) -> dict[str, Any]:
    """Put a version into a stage."""
    said = asked.said
    version, stage = _version(asked), said.need("stage")
    set_stage(version=version, stage=stage, actor=asked.user, archives_others=said.flag("archive_existing_versions"))
    return _body(version)


def delete(asked: Asked) -> dict[str, Any]:
    """Put a version in the bin; its number is never given again."""
    services.delete_version(version=_version(asked), actor=asked.user)
    return {}


def get(asked: Asked) -> dict[str, Any]:
    """Give a version."""
    return {"model_version": version_body(_version(asked))}


def search(asked: Asked) -> dict[str, Any]:
    """Give the versions that fit a filter, page by page."""
    said = asked.said
    size = said.number("max_results", default=MOST_ROWS, most=MOST_VERSIONS)
    wanted = version_search(said.text("filter"), said.texts("order_by"))
    page, token = wanted.page(shown(present_versions()), size=size, token=said.text("page_token"))
    return {**versions_body(page), "next_page_token": token}


def get_download_uri(asked: Asked) -> dict[str, Any]:
    """Give the address at which the files lie; that of a copy is its original's."""
    return {"artifact_uri": download_uri(_version(asked))}


def set_tag(asked: Asked) -> dict[str, Any]:
    """Tag a version."""
    version, key, value = _version(asked), asked.said.need("key"), tag_value(asked)
    services.set_tag(target=version, key=key, value=value, actor=asked.user)
    return {}


def delete_tag(asked: Asked) -> dict[str, Any]:
    """Take a tag away; one that is not there is gone already."""
    version, key = _version(asked), tag_key(asked.said.need("key"))
    if version.tags.filter(key=key).exists():
        services.delete_tag(target=version, key=key, actor=asked.user)
    return {}


def _version(asked: Asked) -> ModelVersion:
    return find_version(asked.said.name(), asked.said.version())


def _body(version: ModelVersion) -> dict[str, Any]:
    fresh = shown(ModelVersion.objects.filter(pk=version.pk)).get()
    return {"model_version": version_body(fresh)}
