"""What people call things, through the REST door: kept composed, found either way, refused where it deceives."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from inference.models import Deployment
from registry.models import ModelVersion
from tests.accounts.making import make_client, make_user, post
from tests.registry.make import files_of, make_folder, make_ready, make_version

pytestmark = pytest.mark.django_db

COMPOSED = unicodedata.normalize("NFC", "의도-분류")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
BAD = {
    "empty": "",
    "blank": " \t",
    "slash": "a/b",
    "backslash": "a\\b",
    "path step": "..",
    "NUL": "a\0b",
    "newline": "a\nb",
    "escape": "a\x1b[31mb",
    "right to left": "invoice\u202egnp",
    "invisible": "a\u200bb",
    "line separator": "a\u2028b",
    "too many characters": "x" * 301,
    "too many bytes": "가" * 101,
}


@pytest.fixture
def client() -> Client:
    """Give an administrator's client."""
    return make_client(make_user("administrator"))


@pytest.fixture
def version(tmp_path: Path) -> ModelVersion:
    """Give a version that is ready."""
    version = make_version(tmp_path, name=COMPOSED)
    make_ready(version)
    return version


def send(client: Client, path: str, name: str) -> Any:
    """Make a thing of a name."""
    bodies: dict[str, dict[str, Any]] = {
        "models": {"name": name},
        "deployments": {"name": name, "model": COMPOSED, "version": 1},
        "api-keys": {"name": name, "scopes": ["predict"]},
        "users": {"username": name, "roles": ["client"]},
    }
    return post(client, path, bodies[path])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param(path, name, id=f"{path} {what}")
        for path in ("models", "deployments", "api-keys", "users")
        for what, name in BAD.items()
        if path != "users" or what not in ("path step", "too many bytes")  # Django's own rule counts characters
    ],
)
def test_name_when_bad_then_400_naming_the_field(client: Client, version: ModelVersion, path: str, name: str) -> None:
    answer = send(client, path, name)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/json"
    assert {"name", "username"} & answer.json()["error"]["fields"].keys()
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("path", ["models", "deployments", "api-keys", "users"])
def test_name_when_half_a_surrogate_pair_then_400_naming_the_field(
    client: Client, version: ModelVersion, path: str
) -> None:
    answer = send(client, path, "\ud800")
    assert answer.status_code == 400
    assert {"name", "username"} & answer.json()["error"]["fields"].keys()


@pytest.mark.parametrize("name", ["가" * 85, "x" * 100, "👩‍👩‍👧", "naïve café", "의도 분류 (v2)"])
def test_deployment_name_when_long_or_strange_but_fair_then_kept(
    client: Client, version: ModelVersion, name: str
) -> None:
    assert send(client, "deployments", name).status_code == 200
    assert client.get(f"/api/v1/deployments/{quote(name, safe='')}").json()["name"] == name


def test_names_when_decomposed_then_kept_composed_and_found_either_way(client: Client, version: ModelVersion) -> None:
    assert send(client, "models", DECOMPOSED).status_code == 409  # it is the model there is
    assert send(client, "deployments", DECOMPOSED).json()["name"] == COMPOSED
    for name in (COMPOSED, DECOMPOSED):
        model = f"/api/v1/models/{quote(name)}"
        for path in (model, f"{model}/versions/1", f"/api/v1/deployments/{quote(name)}"):
            assert client.get(path).status_code == 200, path
        body = json.dumps({"version": 1})
        assert client.put(f"{model}/aliases/{quote(name)}", body, "application/json").status_code == 200
        assert client.put(f"{model}/tags/{quote(name)}", '{"value": ""}', "application/json").json()["key"] == COMPOSED
        assert [alias["alias"] for alias in client.get(f"{model}/aliases").json()["results"]] == [COMPOSED]
    assert send(client, "deployments", COMPOSED).status_code == 200
    assert Deployment.objects.count() == 1


@pytest.mark.parametrize("field", ["model", "allowed_models"])
def test_names_in_bodies_when_decomposed_then_found(client: Client, version: ModelVersion, field: str) -> None:
    if field == "model":
        answer = post(client, "deployments", {"name": "d", "model": DECOMPOSED, "version": 1})
        assert answer.json().get("model") == COMPOSED, answer.content
    else:
        answer = post(client, "api-keys", {"name": "k", "scopes": ["predict"], "allowed_models": [DECOMPOSED]})
        assert answer.json()["allowed_models"] == [COMPOSED]


@pytest.mark.parametrize(
    ("name", "kept"),
    [(DECOMPOSED + ".txt", COMPOSED + ".txt"), ("가" * 85, "가" * 85), ("읽어 보기 – (1).md", "읽어 보기 – (1).md")],
)
def test_file_of_a_version_when_named_in_korean_then_kept_composed(
    client: Client, tmp_path: Path, name: str, kept: str
) -> None:
    answer = upload(client, tmp_path, name)
    assert answer.status_code in (201, 202), answer.content
    version = ModelVersion.objects.get()
    assert kept in version.files.values_list("path", flat=True)


@pytest.mark.parametrize("name", ["가" * 86, "../outside", "/etc/passwd", "a\u202eb", "a\x07b", "C:\\x", "a//b", ".."])
def test_file_of_a_version_when_named_badly_then_400_and_nothing_kept(
    client: Client, tmp_path: Path, name: str
) -> None:
    answer = upload(client, tmp_path, name)
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["fields"]
    assert not ModelVersion.objects.exists()


def upload(client: Client, folder: Path, name: str) -> Any:
    """Send a model with one more file."""
    files = files_of(make_folder(folder / "model"))
    sent = [SimpleUploadedFile(path, file.read_bytes()) for path, file in files.items()]
    assert send(client, "models", "small").status_code == 201
    data = {"files": [*sent, SimpleUploadedFile("other", b"x")], "paths": [*files, name]}
    return client.post("/api/v1/models/small/versions", data)
