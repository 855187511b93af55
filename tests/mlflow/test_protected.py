"""Names that are protected, through MLflow's calls: no way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.models import User
from accounts.services import create_user
from registry.models import ModelVersion
from registry.services.alias_rules import protect_alias
from tests.mlflow.calls import Mlflow, make_caller
from tests.registry.make import make_ready, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(tmp_path: Path) -> list[ModelVersion]:
    return [make_ready(make_version(tmp_path, name="m", value=value)) for value in (0.1, 0.2)]


def make_ruler() -> User:
    """Give somebody who may protect aliases."""
    found = User.objects.filter(username="ruler").first()
    return found or create_user(username="ruler", password=None, roles=["administrator"], actor=None)


def stage(mlflow: Mlflow, version: str, name: str, **more: object) -> tuple[int, str, str] | str:
    said = {"name": "m", "version": version, "stage": name, **more}
    response = mlflow.ask("POST", "model-versions/transition-stage", said)
    if response.status_code == 200:
        return str(response.json()["model_version"]["current_stage"])
    return response.status_code, response.json()["error_code"], response.json()["message"]


@pytest.mark.parametrize("role", ["administrator", "operator"])
def test_name_when_protected_then_neither_alias_nor_stage_moves_without_the_right(
    ready: list[ModelVersion], role: str
) -> None:
    for name in ("champion", "production"):
        protect_alias(name=name, roles=["administrator"], approvals=0, is_gated=False, actor=make_ruler())
    mlflow = make_caller(role)
    may = role == "administrator"
    for said in ({"alias": "champion"}, {"alias": "Champion"}):
        response = mlflow.ask("POST", "registered-models/alias", {"name": "m", "version": "1", **said})
        assert response.status_code == (200 if may else 403)
    moved = stage(mlflow, "1", "Production")
    assert moved == "Production" if may else moved[:2] == (403, "PERMISSION_DENIED")
    assert stage(mlflow, "2", "Staging") == "Staging"


def test_name_when_approvals_are_needed_then_asked_for_and_leaving_too(ready: list[ModelVersion]) -> None:
    mlflow = make_caller()
    assert stage(mlflow, "1", "Production") == "Production"
    assert stage(mlflow, "2", "Production") == "Production"
    protect_alias(name="Production", roles=["administrator"], approvals=1, is_gated=False, actor=make_ruler())
    for move in (stage(mlflow, "1", "Archived"), stage(mlflow, "1", "None"),
                 stage(mlflow, "2", "Production", archive_existing_versions=True)):  # fmt: skip
        assert move[:2] == (409, "RESOURCE_CONFLICT")
        assert "approval" in move[2]
    stages = ModelVersion.objects.filter(model__name="m").order_by("number").values_list("stage", flat=True)
    assert list(stages) == ["Production", "Production"]


def test_name_when_protected_then_only_a_version_that_passed_its_check(ready: list[ModelVersion]) -> None:
    protect_alias(name="champion", roles=["administrator"], approvals=0, is_gated=False, actor=make_ruler())
    protect_alias(name="production", roles=["administrator"], approvals=0, is_gated=False, actor=make_ruler())
    mlflow = make_caller()
    mlflow.version("m")
    said = {"name": "m", "alias": "champion", "version": "3"}
    assert mlflow.refused("POST", "registered-models/alias", said)[:2] == (409, "RESOURCE_CONFLICT")
    assert stage(mlflow, "3", "Production")[:2] == (409, "RESOURCE_CONFLICT")
    mlflow("POST", "registered-models/alias", name="m", alias="mine", version="3")


def test_version_when_a_protected_alias_points_at_it_then_not_deleted(ready: list[ModelVersion]) -> None:
    protect_alias(name="champion", roles=["administrator"], approvals=0, is_gated=False, actor=make_ruler())
    mlflow = make_caller()
    mlflow("POST", "registered-models/alias", name="m", alias="champion", version="1")
    assert stage(mlflow, "2", "Staging") == "Staging"
    protect_alias(name="staging", roles=["administrator"], approvals=0, is_gated=False, actor=make_ruler())
    assert mlflow.refused("DELETE", "model-versions/delete", {"name": "m", "version": "2"})[0] == 409
    assert stage(mlflow, "2", "None") == "None"
    for path, said in (("model-versions/delete", {"version": "1"}), ("registered-models/delete", {})):
        assert mlflow.refused("DELETE", path, {"name": "m", **said})[:2] == (409, "RESOURCE_CONFLICT")
    assert mlflow("DELETE", "model-versions/delete", name="m", version="2") == {}
