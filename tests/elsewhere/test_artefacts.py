"""Signed addresses of a version's files: what they give, to whom, and when they end."""

import hashlib

import pytest
from django.core.management import call_command

from audit.models import AuditEvent
from inference.elsewhere import artefacts
from registry.models import ModelVersion
from tests.host.hosting import make_version
from tests.runner.making import make_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(tmp_path):
    return make_version(make_folder(tmp_path / "m"))


@pytest.fixture
def address(version):
    return artefacts.issue_address(version=version, actor="tests", reason="tests")


def test_address_when_opened_lists_the_files_and_gives_their_bytes(version, address, client):
    listed = client.get(address).json()
    assert (listed["model"], listed["version"]) == ("sums", 1)
    assert {file["path"] for file in listed["files"]} == {"flueman.json", "model.safetensors"}
    for file in listed["files"]:
        answer = client.get(f"{address}/{file['path']}")
        body = b"".join(answer.streaming_content)
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        assert len(body) == file["size_bytes"] == int(answer["Content-Length"])
        assert answer["Content-Disposition"].startswith("attachment")
        assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "no-store")
    event = AuditEvent.objects.get(action="inference.files_signed")
    assert event.reason == "tests"


def test_address_when_changed_or_ended_is_unknown(version, address, client, settings, monkeypatch):
    other = address[:-1] + ("A" if address[-1] != "A" else "B")
    paths = ("flueman.jso", "../flueman.json", "flueman.json/", "%2e%2e/x", "FLUEMAN.JSON", "\0")
    for wrong in (other, address.replace(":", ""), "/artefacts/x", *(f"{address}/{path}" for path in paths)):
        answer = client.get(wrong)
        assert answer.status_code == 404, wrong
    assert client.get(other).json()["error"]["code"] == "unknown_address"
    assert client.post(address).status_code == 405
    monkeypatch.setattr(artefacts, "LIFE", -artefacts.LIFE)
    assert client.get(address).status_code == 404
    monkeypatch.undo()
    for state in ("archived", "refused"):
        ModelVersion.objects.update(state=state)
        assert client.get(address).status_code == 404
        assert client.get(f"{address}/model.safetensors").status_code == 404


def test_sign_version_when_called_prints_an_address_that_opens(version, client, capsys):
    call_command("sign_version", "sums", "1", base="https://flueman.example.com/")
    said = capsys.readouterr().out.strip().splitlines()[-1]
    assert said.startswith("https://flueman.example.com/artefacts/")
    assert client.get(said.removeprefix("https://flueman.example.com")).status_code == 200
