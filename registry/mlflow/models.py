"""`registered-models/…`: ten calls for models and their names."""

from __future__ import annotations

from typing import Any

from common.errors import Conflict, Invalid, NotFound
from common.transactions import transactional
from registry import services
from registry.mlflow.door import Asked
from registry.mlflow.errors import model_not_found, version_not_found
from registry.mlflow.newest import STAGES, newest_by_stage, shown
from registry.mlflow.searching import IS_PROMPT, model_search, present_models
from registry.mlflow.shown import model_body, version_body, versions_body
from registry.models import ModelVersion, RegisteredModel
from registry.naming import MAX_VALUE_CHARACTERS, tag_key
from registry.services.stages import stage_name

MODELS_A_PAGE, MOST_MODELS = 100, 1000
LATEST = "latest"  # no alias, and in MLflow's addresses the newest version


def create(asked: Asked) -> dict[str, Any]:
    """Register a model."""
    said = asked.said
    name, tags = said.name(), said.tags()
    if tags.get(IS_PROMPT, "").lower() == "true":
        raise Invalid("Prompts are not kept here, only models.")
    model, is_new = services.register_model_once(
        name=name,
        actor=asked.user,
        description=said.text("description"),
        deployment_job_id=said.text("deployment_job_id", most=255),
        tags=tags,
    )
    if not is_new:
        raise Conflict(f"Registered Model (name={model.name}) already exists.", code="already_exists")
    return _shown(model.name)


@transactional
def rename(asked: Asked) -> dict[str, Any]:
    """Give a model another name."""
    model, wanted = find_model(asked.said.name()), asked.said.name("new_name")
    try:
        renamed = services.rename_model(model=model, name=wanted, actor=asked.user)
    except Conflict as error:
        if error.code != "already_exists":
            raise
        raise Conflict(f"Registered Model (name={wanted}) already exists.", code=error.code) from None
    return _shown(renamed.name)


def update(asked: Asked) -> dict[str, Any]:
    """Change what a model says of itself."""
    said = asked.said
    model = find_model(said.name())
    job = said.maybe("deployment_job_id")
    services.update_model(model=model, actor=asked.user, description=said.text("description"), deployment_job_id=job)
    return _shown(model.name)


def delete(asked: Asked) -> dict[str, Any]:
    """Put a model in the bin, with all of its versions."""
    services.delete_model(model=find_model(asked.said.name()), actor=asked.user)
    return {}


def get(asked: Asked) -> dict[str, Any]:
    """Give a model: what clients ask before nearly every change."""
    return _shown(asked.said.name())


def search(asked: Asked) -> dict[str, Any]:
    """Give the models that fit a filter, page by page."""
    said = asked.said
    size = said.number("max_results", default=MODELS_A_PAGE, most=MOST_MODELS)
    wanted = model_search(said.text("filter"), said.texts("order_by"))
    page, token = wanted.page(present_models(), size=size, token=said.text("page_token"))
    newest = newest_by_stage(page)
    return {"registered_models": [model_body(model, newest[model.pk]) for model in page], "next_page_token": token}


def get_latest_versions(asked: Asked) -> dict[str, Any]:
    """Give the newest version of each stage that is asked for."""
    model, stages = find_model(asked.said.name()), dict.fromkeys(map(stage_name, asked.said.texts("stages")))
    return versions_body(newest_by_stage([model], list(stages) or STAGES)[model.pk])


def set_tag(asked: Asked) -> dict[str, Any]:
    """Tag a model."""
    said = asked.said
    model, key, value = find_model(said.name()), said.need("key"), tag_value(asked)
    services.set_tag(target=model, key=key, value=value, actor=asked.user)
    return {}


def delete_tag(asked: Asked) -> dict[str, Any]:
    """Take a tag away; one that is not there is gone already."""
    model, key = find_model(asked.said.name()), tag_key(asked.said.need("key"))
    if model.tags.filter(key=key).exists():
        services.delete_tag(target=model, key=key, actor=asked.user)
    return {}


def set_alias(asked: Asked) -> dict[str, Any]:
    """Point an alias at a version."""
    said = asked.said
    name, alias, number = said.name(), said.name("alias"), said.version()
    version = find_version(name, number)
    services.set_alias(model=version.model, name=alias, version=version, actor=asked.user)
    return {}


def delete_alias(asked: Asked) -> dict[str, Any]:
    """Take an alias away; one that is not there is gone already."""
    model, alias = find_model(asked.said.name()), asked.said.name("alias")
    if model.aliases.filter(name=alias).exists():
        services.delete_alias(model=model, name=alias, actor=asked.user)
    return {}


def get_by_alias(asked: Asked) -> dict[str, Any]:
    """Give the version that an alias points at."""
    model, alias = find_model(asked.said.name()), asked.said.name("alias")
    versions = shown(ModelVersion.objects.present().filter(model_id=model.pk))
    if alias.lower() == LATEST:
        version = versions.order_by("-number").first()
        if version is None:
            raise NotFound(f"Latest version not found for model {model.name}.")
    else:
        version = versions.filter(aliases__name=alias).first()
        if version is None:
            raise Invalid(f"Registered model alias {alias[:300]} not found.")
    return {"model_version": version_body(version)}


def find_model(name: str) -> RegisteredModel:
    """Give a model by name. Raises NotFound in MLflow's words."""
    model = RegisteredModel.objects.present().filter(name=name).first()
    if model is None:
        raise model_not_found(name)
    return model


def find_version(name: str, number: int) -> ModelVersion:
    """Give a version with its model. Raises NotFound in MLflow's words."""
    found = ModelVersion.objects.present().filter(model__name=name, number=number)
    version = shown(found).select_related("model", "created_by", "copied_from__model").first() if number > 0 else None
    if version is None:
        raise version_not_found(name, number)
    return version


def tag_value(asked: Asked) -> str:
    """Give the value of a tag, which may be empty and must be there."""
    if "value" not in asked.said:
        raise asked.said.missing("value")
    return asked.said.text("value", most=MAX_VALUE_CHARACTERS)


def _shown(name: str) -> dict[str, Any]:
    model = present_models().filter(name=name).first()
    if model is None:
        raise model_not_found(name)
    return {"registered_model": model_body(model, newest_by_stage([model])[model.pk])}
