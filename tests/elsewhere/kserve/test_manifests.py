"""Manifests for KServe, held against the published schema of its custom resource."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator

from accounts.services import create_api_key
from inference.elsewhere.kserve import Wanted, inference_service, service_name, to_yaml
from inference.elsewhere.ray_serve import application_name
from inference.models import Deployment, Route, RunnerState, VersionSettings
from tests.admin.making import make_deployment, make_person, make_version

SCHEMA = json.loads((Path(__file__).parent / "inferenceservice.schema.json").read_text())
WANTED = Wanted(
    deployment="intent", model="intent", version=3, digest="0" * 64, image="flueman:1", memory_bytes=100 << 20
)


def check(manifest: Any) -> None:
    errors = [
        f"{list(error.absolute_path)}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(manifest)
    ]
    assert errors == []


def secrets(container: Any) -> dict[str, str]:
    """Give the names of the secrets by variable."""
    return {one["name"]: one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"]}


def with_(**changes: Any) -> Wanted:
    return Wanted(**{**{name: getattr(WANTED, name) for name in Wanted.__slots__}, **changes})


@pytest.mark.parametrize(
    "changes",
    [{}, {"share": 10}, {"storage_uri": "s3://models/intent"}, {"is_trusted": True}, {"deployment": "의도 분류 😀"}],
)
def test_manifest_when_written_fits_the_schema_of_kserve(changes: dict[str, Any]) -> None:
    manifest = inference_service(with_(**changes))
    check(manifest)
    assert yaml.safe_load(to_yaml(with_(**changes))) == manifest


def test_application_on_ray_when_models_have_like_names_then_each_its_own() -> None:
    names = ["intent", "Intent", "의도", "감정", "a-b", "a_b"]
    assert len({application_name(name, 1) for name in names}) == len(names)
    assert application_name("intent", 3) == "intent-v3"


def test_schema_when_a_field_is_wrong_says_so() -> None:
    manifest = inference_service(WANTED)
    manifest["spec"]["predictor"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(AssertionError, match="redinessProbe"):
        check(manifest)


def test_manifest_when_read_says_what_runs_and_holds_no_secret() -> None:
    predictor = inference_service(with_(share=10))["spec"]["predictor"]
    container = predictor["containers"][0]
    assert predictor["canaryTrafficPercent"] == 10
    assert container["command"] == ["python", "-m", "inference.standalone"]
    assert container["args"][:2] == ["--name=intent", "--version=3"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert container["resources"]["requests"]["memory"] == "484Mi"
    assert secrets(container) == {"FLUEMAN_TOKEN": "intent-token", "FLUEMAN_SOURCE": "intent-v3"}


def test_token_when_a_canary_runs_beside_the_version_that_serves_is_one_for_both() -> None:
    names = []
    for wanted in (WANTED, with_(version=4, share=10)):
        container = inference_service(wanted)["spec"]["predictor"]["containers"][0]
        names.append(secrets(container))
        for name in secrets(container).values():
            assert f"create secret generic {name} " in to_yaml(wanted)
    assert names[0]["FLUEMAN_TOKEN"] == names[1]["FLUEMAN_TOKEN"]
    assert names[0]["FLUEMAN_SOURCE"] != names[1]["FLUEMAN_SOURCE"]


def test_manifest_when_files_lie_where_the_cluster_reads_takes_them_from_there() -> None:
    container = inference_service(with_(storage_uri="s3://models/intent"))["spec"]["predictor"]["containers"][0]
    assert {"name": "STORAGE_URI", "value": "s3://models/intent"} in container["env"]
    assert container["args"][-1] == "--folder=/mnt/models"
    assert "sign_version" not in to_yaml(with_(storage_uri="s3://models/intent"))


@pytest.mark.parametrize("name", ["intent", "-x-", "--help", "의도 분류", "a=b"])
def test_arguments_when_in_a_manifest_are_taken_by_the_server_that_they_start(name: str) -> None:
    from inference.standalone.__main__ import _options

    container = inference_service(with_(deployment=name, storage_uri="s3://models/intent", is_trusted=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["standalone", *container["spec"]["predictor"]["containers"][0]["args"]])
        options = _options()
    assert (options.name, options.version, options.port, options.trusted) == (name, 3, 8080, True)


@pytest.mark.parametrize(
    "name", ["intent", "Intent", "in.tent", "의도", "a" * 100, "-x-", "9lives", "in-tent", "x: |\n- y"]
)
def test_name_when_it_is_odd_is_one_of_kubernetes_and_its_own(name: str) -> None:
    told = service_name(name)
    assert len(told) <= 50
    check(inference_service(with_(deployment=name)))
    assert (told == name) == (name in ("intent", "in-tent"))


@pytest.mark.django_db
@pytest.mark.parametrize("share", [10, 50, 60])
def test_command_when_a_canary_takes_calls_writes_it_with_its_share(share: int) -> None:
    deployment = make_deployment("intent")
    live = deployment.routes.get()
    Route.objects.filter(pk=live.pk).update(weight=100 - share)
    version = make_version("intent")
    Route.objects.create(deployment=deployment, version=version, kind=Route.Kind.CANARY, weight=share)
    RunnerState.objects.create(version=version, state="ready", memory_bytes=1 << 30)
    manifest = written("intent")
    check(manifest)
    assert manifest["spec"]["predictor"]["canaryTrafficPercent"] == share
    assert manifest["spec"]["predictor"]["containers"][0]["resources"]["requests"]["memory"] == "1408Mi"
    first = written("intent", "--number", str(live.version.number))
    assert "canaryTrafficPercent" not in first["spec"]["predictor"]
    Route.objects.create(deployment=deployment, version=make_version("intent"), weight=10)
    with pytest.raises(CommandError, match="KServe"):
        written("intent")


@pytest.mark.django_db
def test_command_when_a_version_has_settings_of_its_own_gives_them_along(settings: Any) -> None:
    settings.RUNNER = {**settings.RUNNER, "MEMORY_BYTES": 3 << 30, "THREADS": 7, "MAX_BATCH": 9}
    deployment = make_deployment("intent")
    plain = written("intent")["spec"]["predictor"]["containers"][0]["args"]
    assert {"--memory-bytes=3221225472", "--threads=7", "--max-batch=9"} <= set(plain)
    VersionSettings.objects.create(version=deployment.routes.get().version, threads=2, max_batch=4)
    own = written("intent")["spec"]["predictor"]["containers"][0]["args"]
    assert {"--memory-bytes=3221225472", "--threads=2", "--max-batch=4"} <= set(own)


@pytest.mark.django_db
def test_command_when_there_is_nothing_to_write_says_why() -> None:
    Deployment.objects.create(name="empty")
    for arguments, why in ((["nothing"], "no deployment"), (["empty"], "empty")):
        with pytest.raises(CommandError, match=why):
            written(*arguments)
    make_deployment("intent")
    with pytest.raises(CommandError, match="storage_uri"):
        written("intent", "--storage-uri", "no address")
    with pytest.raises(CommandError):
        written("intent", "--number", "77")


@pytest.mark.django_db
def test_door_when_asked_gives_the_manifest_as_a_file(client: Any) -> None:
    make_deployment("의도")
    person = make_person("operator")
    _, key = create_api_key(user=person, actor=person, name="test", scopes=["manage"])
    reply = client.get("/api/v1/deployments/의도/manifest", headers={"X-API-Key": key})
    assert reply.status_code == 200, reply.content
    assert reply["Content-Disposition"].startswith('attachment; filename="model-')
    check(yaml.safe_load(reply.content))
    missing = client.get("/api/v1/deployments/의도/manifest?version=77", headers={"X-API-Key": key})
    assert missing.status_code == 404


def written(*arguments: str) -> Any:
    out = StringIO()
    call_command("write_manifest", *arguments, stdout=out)
    return yaml.safe_load(out.getvalue())
