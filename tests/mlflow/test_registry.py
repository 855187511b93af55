"""Models and versions through MLflow's calls: what they answer and what they change."""

from __future__ import annotations

import re
import time
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from registry.models import ModelVersion, RegisteredModel
from registry.services import refuse, set_alias, start_check
from tests.mlflow.calls import Mlflow, make_caller
from tests.registry.make import make_ready, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def mlflow() -> Mlflow:
    return make_caller()


def in_ms() -> int:
    return int(time.time() * 1000)


def age(*rows: Any) -> None:
    """Let rows have been changed a minute ago."""
    for row in rows:
        type(row).objects.filter(pk=row.pk).update(updated_at=timezone.now() - timedelta(minutes=1))


def test_model_when_created_then_shown_with_times_within_the_call(mlflow: Mlflow) -> None:
    begun = in_ms()
    tags = [{"key": "team", "value": "care"}, {"key": "empty", "value": ""}, {"key": "team", "value": "voice"}]
    made = mlflow("POST", "registered-models/create", name="intent", description="무엇을 원하나", tags=tags,
                  deployment_job_id="job")["registered_model"]  # fmt: skip
    assert begun <= made["creation_timestamp"] <= made["last_updated_timestamp"] <= in_ms()
    assert made["tags"] == [{"key": "empty", "value": ""}, {"key": "team", "value": "voice"}]
    assert (made["name"], made["description"], made["user_id"]) == ("intent", "무엇을 원하나", "minji")
    assert (made["latest_versions"], made["aliases"], made["deployment_job_id"]) == ([], [], "job")
    assert mlflow("GET", "registered-models/get", name="intent")["registered_model"] == made
    assert mlflow("GET", "/ajax-api/2.0/mlflow/registered-models/get", name="intent")["registered_model"] == made
    event = AuditEvent.objects.get(action="registry.model_registered")
    assert event.after["name"] == "intent"


def test_model_when_its_name_is_taken_then_already_exists(mlflow: Mlflow) -> None:
    mlflow("POST", "registered-models/create", name="intent")
    told = mlflow.refused("POST", "registered-models/create", {"name": "intent"})
    assert told == (400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=intent) already exists.")


def test_model_when_renamed_then_versions_go_with_it_and_its_history_is_kept(mlflow: Mlflow) -> None:
    mlflow.version("intent")
    model, version = RegisteredModel.objects.get(), ModelVersion.objects.get()
    age(model, version)
    before = mlflow("GET", "model-versions/get", name="intent", version="1")["model_version"]
    renamed = mlflow("POST", "registered-models/rename", name="intent", new_name="의도")["registered_model"]
    assert (renamed["name"], renamed["latest_versions"][0]["name"]) == ("의도", "의도")
    assert renamed["latest_versions"][0]["last_updated_timestamp"] > before["last_updated_timestamp"]
    told = mlflow.refused("GET", "registered-models/get", {"name": "intent"})
    assert told == (404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=intent not found")
    event = AuditEvent.objects.get(action="registry.model_renamed")
    assert (event.before, event.after) == ({"name": "intent"}, {"name": "의도"})
    mlflow("POST", "registered-models/create", name="intent")
    told = mlflow.refused("POST", "registered-models/rename", {"name": "의도", "new_name": "intent"})
    assert told[1:] == ("RESOURCE_ALREADY_EXISTS", "Registered Model (name=intent) already exists.")


def test_model_when_updated_then_its_time_moves_and_the_rest_stays(mlflow: Mlflow) -> None:
    mlflow("POST", "registered-models/create", name="intent", description="old", deployment_job_id="job")
    age(RegisteredModel.objects.get())
    begun = in_ms()
    told = mlflow("PATCH", "registered-models/update", name="intent", description="new")["registered_model"]
    assert (told["description"], told["deployment_job_id"]) == ("new", "job")
    assert begun <= told["last_updated_timestamp"] <= in_ms()


def test_model_when_deleted_then_its_name_is_free_and_numbers_begin_anew(mlflow: Mlflow) -> None:
    mlflow.version("intent")
    assert mlflow("DELETE", "registered-models/delete", name="intent") == {}
    assert mlflow.refused("GET", "model-versions/get", {"name": "intent", "version": "1"})[2] == (
        "Model Version (name=intent, version=1) not found"
    )
    assert mlflow("GET", "registered-models/search")["registered_models"] == []
    assert mlflow("GET", "model-versions/search")["model_versions"] == []
    assert mlflow.refused("DELETE", "registered-models/delete", {"name": "intent"})[0] == 404
    assert mlflow.version("intent")["version"] == "1"


def test_version_when_created_then_registered_only_and_the_model_moves(mlflow: Mlflow) -> None:
    mlflow("POST", "registered-models/create", name="intent")
    age(RegisteredModel.objects.get())
    begun = in_ms()
    made = mlflow.version("intent", run_id="run_id_1", run_link="http://runs/1", description="", tags=[
        {"key": "k", "value": "v"}])  # fmt: skip
    assert begun <= made["creation_timestamp"] <= made["last_updated_timestamp"] <= in_ms()
    plain = {key: made[key] for key in ("name", "version", "user_id", "current_stage", "description", "source")}
    assert plain == {
        "name": "intent",
        "version": "1",
        "user_id": "minji",
        "current_stage": "None",
        "description": "",
        "source": "s3://bucket/model",
    }
    assert (made["run_id"], made["run_link"], made["tags"]) == (
        "run_id_1",
        "http://runs/1",
        [{"key": "k", "value": "v"}],
    )
    assert (made["status"], made["status_message"], made["aliases"]) == ("READY", "", [])
    version = ModelVersion.objects.get()
    assert (version.state, version.format) == ("registered", "other")
    model = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    assert model["last_updated_timestamp"] >= begun
    assert model["latest_versions"] == [made]
    assert mlflow("GET", "model-versions/get-download-uri", name="intent", version="1") == {
        "artifact_uri": "s3://bucket/model"
    }


def test_version_when_the_newest_was_deleted_then_its_number_is_not_given_again(mlflow: Mlflow) -> None:
    for number in ("1", "2"):
        assert mlflow.version("intent")["version"] == number
    age(RegisteredModel.objects.get())
    begun = in_ms()
    assert mlflow("DELETE", "model-versions/delete", name="intent", version="2") == {}
    model = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    assert [one["version"] for one in model["latest_versions"]] == ["1"]
    assert model["last_updated_timestamp"] >= begun
    assert mlflow.version("intent")["version"] == "3"
    for call in ("get", "get-download-uri"):
        assert mlflow.refused("GET", f"model-versions/{call}", {"name": "intent", "version": "2"}) == (
            404,
            "RESOURCE_DOES_NOT_EXIST",
            "Model Version (name=intent, version=2) not found",
        )


def test_tags_when_as_long_as_mlflow_lets_them_be_then_kept_whole(mlflow: Mlflow) -> None:
    long = [{"key": "k", "value": "가" * 100_000}]
    mlflow("POST", "registered-models/create", name="intent", tags=long)
    mlflow.version("intent", tags=long)
    for kind in ("registered-models", "model-versions"):
        mlflow("POST", f"{kind}/set-tag", name="intent", version="1", key="l", value="나" * 100_000)
    model = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    tags = [*long, {"key": "l", "value": "나" * 100_000}]
    assert (model["tags"], model["latest_versions"][0]["tags"]) == (tags, tags)


def test_version_when_described_or_tagged_then_the_model_does_not_move(mlflow: Mlflow) -> None:
    mlflow.version("intent")
    model, version = RegisteredModel.objects.get(), ModelVersion.objects.get()
    age(model, version)
    before = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    told = mlflow("PATCH", "model-versions/update", name="intent", version="1", description="better")["model_version"]
    assert told["description"] == "better"
    assert told["last_updated_timestamp"] > before["latest_versions"][0]["last_updated_timestamp"]
    mlflow("POST", "model-versions/set-tag", name="intent", version="1", key="k", value="")
    decomposed = unicodedata.normalize("NFD", "검토")
    mlflow("POST", "registered-models/set-tag", name="intent", key=decomposed, value="v")
    after = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    assert after["last_updated_timestamp"] == before["last_updated_timestamp"]
    assert (after["tags"], after["latest_versions"][0]["tags"]) == (
        [{"key": "검토", "value": "v"}],
        [{"key": "k", "value": ""}],
    )
    for _ in range(2):
        assert mlflow("DELETE", "model-versions/delete-tag", name="intent", version="1", key=" k") == {}
        assert mlflow("DELETE", "registered-models/delete-tag", name="intent", key=decomposed) == {}
    assert mlflow("GET", "registered-models/get", name="intent")["registered_model"]["tags"] == []


def test_aliases_when_set_moved_and_taken_then_each_read_agrees(mlflow: Mlflow) -> None:
    for _ in range(2):
        mlflow.version("intent")
    mlflow("POST", "registered-models/alias", name="intent", alias="champion", version="1")
    mlflow("POST", "registered-models/alias", name="intent", alias="champion", version="2")
    assert mlflow("GET", "registered-models/alias", name="intent", alias="champion")["model_version"]["version"] == "2"
    model = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
    assert model["aliases"] == [{"alias": "champion", "version": "2"}]
    assert model["latest_versions"][0]["aliases"] == ["champion"]
    assert mlflow("GET", "model-versions/get", name="intent", version="1")["model_version"]["aliases"] == []
    assert mlflow("GET", "registered-models/alias", name="intent", alias="Latest")["model_version"]["version"] == "2"
    for _ in range(2):
        assert mlflow("DELETE", "registered-models/alias", name="intent", alias="champion") == {}
    told = mlflow.refused("GET", "registered-models/alias", {"name": "intent", "alias": "champion"})
    assert told == (400, "INVALID_PARAMETER_VALUE", "Registered model alias champion not found.")
    for bad in ("latest", "v1", "1", "a b", "a/b"):
        assert mlflow.refused("POST", "registered-models/alias", {"name": "intent", "alias": bad, "version": "1"})[
            :2
        ] == (400, "INVALID_PARAMETER_VALUE")


def test_stages_when_moved_then_latest_versions_are_the_newest_of_each(mlflow: Mlflow) -> None:
    for _ in range(4):
        mlflow.version("intent")
    for number, stage in (("1", "production"), ("2", "Staging"), ("3", "Production")):
        age(RegisteredModel.objects.get())
        begun = in_ms()
        told = mlflow("POST", "model-versions/transition-stage", name="intent", version=number, stage=stage,
                      archive_existing_versions=False)["model_version"]  # fmt: skip
        assert told["current_stage"].lower() == stage.lower()
        assert told["last_updated_timestamp"] >= begun
        model = mlflow("GET", "registered-models/get", name="intent")["registered_model"]
        assert model["last_updated_timestamp"] >= begun
    for method in ("GET", "POST"):
        latest = mlflow(method, "registered-models/get-latest-versions", name="intent")["model_versions"]
        assert [(one["current_stage"], one["version"]) for one in latest] == [
            ("None", "4"),
            ("Staging", "2"),
            ("Production", "3"),
        ]
        some = mlflow(method, "registered-models/get-latest-versions", name="intent", stages=["production", "Archived"])
        assert [one["version"] for one in some["model_versions"]] == ["3"]
    mlflow("POST", "model-versions/transition-stage", name="intent", version="4", stage="Production",
           archive_existing_versions=True)  # fmt: skip
    found = mlflow("GET", "model-versions/search", filter="name='intent'", order_by=["version_number"])
    assert [one["current_stage"] for one in found["model_versions"]] == [
        "Archived",
        "Staging",
        "Archived",
        "Production",
    ]
    event = AuditEvent.objects.filter(action="registry.stage_set").latest("sequence")
    assert event.after == {"stage": "Production", "archived": [3, 1]} or event.after["archived"] == [1, 3]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"stage": "Live"}, "Invalid Model Version stage: Live. Value must be one of None, Staging, Production"),
        ({"stage": "None", "archive_existing_versions": True}, "cannot archive existing model versions because 'None'"),
        ({"stage": ""}, "Missing value for required parameter 'stage'"),
        ({"stage": "Staging", "archive_existing_versions": "maybe"}, "must be a boolean"),
    ],
)
def test_stage_when_there_is_none_such_then_refused(mlflow: Mlflow, said: dict[str, Any], told: str) -> None:
    mlflow.version("intent")
    status, code, message = mlflow.refused(
        "POST", "model-versions/transition-stage", {"name": "intent", "version": "1", **said}
    )
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert told in message


def test_copy_when_of_a_version_then_its_source_stays_and_its_files_are_the_originals(
    mlflow: Mlflow, tmp_path: Path
) -> None:
    mlflow.version("intent", source="s3://bucket/original")
    mlflow("POST", "registered-models/alias", name="intent", alias="champion", version="1")
    for number, source in (("1", "models:/intent/1"), ("2", "models:/copies/1"), ("3", "models:/intent@champion")):
        made = mlflow.version("copies", source=source)
        assert (made["version"], made["source"]) == (number, source)
        told = mlflow("GET", "model-versions/get-download-uri", name="copies", version=number)
        assert told == {"artifact_uri": "s3://bucket/original"}
    original = make_ready(make_version(tmp_path, name="numbers"))
    mlflow.version("numbers", source="models:/numbers/1")
    copy = ModelVersion.objects.get(model__name="numbers", number=2)
    assert (copy.state, copy.format, copy.signature, copy.digest) == (
        "pending",
        original.format,
        original.signature,
        original.digest,
    )
    blobs = [{file.path: file.blob for file in one.files.all()} for one in (original, copy)]
    assert blobs[0] == blobs[1]
    assert {blob.references for blob in blobs[1].values()} == {2}


SOURCES = [
    ("file:///etc/passwd", "are not read by their path"),
    ("/etc/passwd", "are not read by their path"),
    ("C:\\Windows", "are not read by their path"),
    ("etc/passwd", "are not read by their path"),
    ("FILE:/etc/passwd", "are not read by their path"),
    ("s3://bucket/../x", "without relative path references"),
    ("s3://bucket/%2e%2e/x", "without relative path references"),
    ("s3://bucket/%252e%252e%252fx", "without relative path references"),
    ("https://host/a\\..\\b", "without relative path references"),
    ("mlflow-artifacts:/a%00b", "without relative path references"),
    ("mlflow-artifacts:/a?x=1", "neither a query nor a fragment"),
    ("runs:/abc/model#x", "neither a query nor a fragment"),
    ("models:/m-0123456789abcdef", "must name a version"),
    ("models://profile/m/1", "must name a version"),
    ("models:/m/latest", "must name a version"),
    ("models:/m/Production", "must name a version"),
    ("s3://bucket/\u202etxt", "control or invisible"),
    ("s3://" + "x" * 1000, "1 to 1000 characters"),
]


def test_source_when_it_is_no_address_then_refused(mlflow: Mlflow) -> None:
    mlflow("POST", "registered-models/create", name="m")
    for source, told in SOURCES:
        status, code, message = mlflow.refused("POST", "model-versions/create", {"name": "m", "source": source})
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert message.startswith("Invalid model version source: '")
        assert told in message
    assert not ModelVersion.objects.exists()


def test_source_when_of_older_clients_then_taken_and_copies_of_nothing_not_found(mlflow: Mlflow) -> None:
    assert mlflow.version("m", source="runs:/run_id/model", run_id="run_id_1")["source"] == "runs:/run_id/model"
    for source in ("models:/m/9", "models:/nothing/1", "models:/m@nobody"):
        told = mlflow.refused("POST", "model-versions/create", {"name": "m", "source": source})
        assert told[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
        assert re.match(r"Model Version \(name=.* not found", told[2])


def test_version_when_refused_by_its_check_then_failed_with_the_reason(mlflow: Mlflow, tmp_path: Path) -> None:
    good, bad = make_ready(make_version(tmp_path, name="numbers")), make_version(tmp_path, name="numbers", value=0.1)
    start_check(version=bad)
    refuse(version=bad, reason="it gives no numbers", report={})
    told = mlflow("GET", "model-versions/get", name="numbers", version="2")["model_version"]
    assert (told["status"], told["status_message"]) == ("FAILED_REGISTRATION", "it gives no numbers")
    latest = mlflow("GET", "registered-models/get", name="numbers")["registered_model"]["latest_versions"]
    assert [(one["version"], one["status"]) for one in latest] == [("1", "READY")]
    assert latest[0]["source"] == f"mlflow-artifacts:/.versions/{good.pk.hex}"
    told = mlflow.refused("POST", "registered-models/alias", {"name": "numbers", "alias": "a", "version": "2"})
    assert told[:2] == (409, "RESOURCE_CONFLICT")
    set_alias(model=good.model, name="champion", version=good, actor=None)
    assert mlflow("GET", "registered-models/alias", name="numbers", alias="champion")["model_version"]["version"] == "1"


def test_prompt_when_registered_then_refused_clearly(mlflow: Mlflow) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    told = mlflow.refused("POST", "registered-models/create", {"name": "p", "tags": tags})
    assert told == (400, "INVALID_PARAMETER_VALUE", "Prompts are not kept here, only models.")
