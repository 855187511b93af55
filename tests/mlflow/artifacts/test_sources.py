"""Versions registered from folders of the tree: what lies there is what the version has, whatever it is called."""

import io
import zipfile
from importlib import import_module

import pytest
from django.apps import apps

from registry.models import ModelVersion
from registry.services import delete_version
from registry.services.purging import purge_version
from registry.services.sources import download_uri, register_source
from tests.mlflow.artifacts.calling import put, put_folder
from tests.registry.make import files_of, make_folder, register_model
from tests.runner.making_huggingface import make_huggingface

pytestmark = pytest.mark.django_db


def register(user, folder):
    return register_source(model=register_model(name="m", actor=user), source=f"mlflow-artifacts:/{folder}", actor=user)


def make_keras():
    """Give a file of weights that is a zip archive by its content."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("config.json", "{}")
    return archive.getvalue()


KEPT = {
    "in one folder": {"model/weights.bin": b"abc", "model/notes.txt": b"x"},
    "a lone zip": {"model.keras": make_keras()},
    "a lone tar.gz": {"model.tar.gz": b"\x1f\x8b\x08\x00" + b"0" * 50},
    "what systems leave": {"a.bin": b"a", "__pycache__/b.pyc": b"b", ".git/config": b"c", ".DS_Store": b"d"},
    "names that differ by case": {"README": b"1", "readme": b"2", "Data": b"3", "data/x": b"4"},
    "deep": {"/".join("abcdefghijkl"): b"1", "y.bin": b"2"},
}


@pytest.mark.parametrize("name", KEPT)
def test_register_source_when_a_folder_of_any_files_then_each_keeps_its_path_and_bytes(client, user, name):
    for path, content in KEPT[name].items():
        assert put(client, f"1/model/{path}", content).status_code == 200
    version = register(user, "1/model")
    assert version.state == "registered"
    sizes = {file.path: file.blob.size_bytes for file in version.files.select_related("blob")}
    assert sizes == {path: len(content) for path, content in KEPT[name].items()}


def test_register_source_when_what_is_served_lies_in_one_folder_then_served_and_found_where_it_was(
    client, user, tmp_path
):
    put_folder(client, make_folder(tmp_path / "m"), "own/net")
    put_folder(client, make_huggingface(tmp_path / "h"), "hf/net")
    own, other = register(user, "own"), register(user, "hf")
    assert (own.state, own.weights_path, other.state) == ("pending", "net/model.safetensors", "pending")
    for version, folder in ((own, "m"), (other, "h")):
        kept = set(version.files.values_list("path", flat=True))
        assert {f"net/{path}" for path in files_of(tmp_path / folder)} <= kept


def test_download_uri_when_the_original_of_a_copy_without_files_is_purged_then_where_it_always_was(user):
    original = register_source(model=register_model(name="a", actor=user), source="s3://bucket/model", actor=user)
    model = register_model(name="b", actor=user)
    copies = [register_source(model=model, source=f"models:/{name}/1", actor=user) for name in ("a", "b")]
    older = register_source(model=model, source="models:/a/1", actor=user)
    ModelVersion.objects.filter(pk=older.pk).update(storage_location="")  # as versions before the column
    migration = import_module("registry.migrations.0017_storage_locations_of_copies")
    migration.fill(apps, None)
    delete_version(version=original, actor=user)
    purge_version(version=original, actor=user, typed=str(original))
    for version in (*copies, older):
        version.refresh_from_db()
        assert (version.copied_from, download_uri(version)) == (None, "s3://bucket/model")
    last = register_source(model=model, source="models:/b/2", actor=user)
    assert download_uri(last) == "s3://bucket/model"
