"""Servers elsewhere by REST, by command and in the back office; all doors go through the same services."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.services import create_api_key
from common.sealing import seal, unseal
from inference.models import RemoteModel, RemoteServer
from inference.services.remote import add_server
from registry.models import ModelVersion, RegisteredModel
from tests.admin.making import make_person
from tests.elsewhere.oip.server import running
from tests.elsewhere.oip.test_runner import certificate_of
from tests.notify.certificates import make_certificate

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "s3cret-token"


@pytest.fixture(autouse=True)
def _inside_is_open(settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]


def make_client(role: str = "administrator") -> Client:
    person = make_person(role)
    _, key = create_api_key(user=person, actor=person, name="test", scopes=["manage"])
    return Client(headers={"X-API-Key": key})


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(f"/api/v1/{path}", body, content_type="application/json")


def test_rest_when_a_server_is_added_keeps_its_credential_to_itself() -> None:
    client = make_client()
    with running(token=TOKEN) as server:
        made = send(client, "post", "servers", {"name": "there", "base_url": server.url, "credential": TOKEN})
        assert made.status_code == 201, made.content
        offered = client.get("/api/v1/servers/there/models")
        assert offered.json() == [{"name": "sum", "version": "1", "state": "READY"}]
        listed = client.get("/api/v1/servers")
        moved = send(client, "patch", "servers/there", {"base_url": "http://127.0.0.1:1"})
        assert moved.status_code == 400
        assert moved.json()["error"]["code"] == "credential_needed"
    assert made.json()["has_credential"] is True
    for reply in (made, listed, moved):
        assert TOKEN.encode() not in reply.content
        assert b"sealed1" not in reply.content
    assert unseal(RemoteServer.objects.get().credential) == TOKEN
    assert send(client, "delete", "servers/there").status_code == 204


def test_rest_when_a_model_is_registered_makes_a_version_once_for_its_key() -> None:
    client = make_client()
    with running() as server:
        RemoteServer.objects.create(name="there", base_url=server.url)
        body = {"model": "sums", "remote_model": "sum", "remote_version": "1", "max_batch": 8}
        replies = [
            client.post(
                "/api/v1/servers/there/register", body, content_type="application/json",
                headers={"Idempotency-Key": "one"},
            )
            for _ in range(2)
        ]  # fmt: skip
        unknown = send(client, "post", "servers/there/register", {**body, "remote_model": "nothing"})
    assert [reply.status_code for reply in replies] == [202, 202]
    assert replies[0].headers["Location"].split("/api/v1/")[1].startswith("jobs/")
    assert replies[1].headers["Idempotency-Replayed"] == "true"
    assert ModelVersion.objects.get().manifest["limits"] == {"max_batch": 8}
    assert RemoteModel.objects.get().model_version == "1"
    assert unknown.status_code == 400


def test_rest_when_the_server_is_down_says_so() -> None:
    client = make_client()
    with running() as server:
        RemoteServer.objects.create(name="there", base_url=server.url)
    reply = client.get("/api/v1/servers/there/models")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unreachable")


def test_commands_when_run_twice_leave_one_server_and_one_version(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    with running(token=TOKEN) as server:
        for _ in range(2):
            run("add_server", "there", server.url, "--credential-from", str(token), "--timeout", "3")
            said = run("register_remote", "there", "sum", "--name", "sums", "--no-wait")
    assert "sums v1 pending on there" in said
    assert TOKEN not in said
    assert (RemoteServer.objects.count(), ModelVersion.objects.count()) == (1, 1)


def test_commands_when_refused_say_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be opened"):
        run("add_server", "there", "http://169.254.169.254")
    with pytest.raises(CommandError, match="add_server"):
        run("register_remote", "there", "sum", "--name", "sums", "--no-wait")


def test_pages_when_followed_lead_from_a_server_to_a_version() -> None:
    client = Client()
    client.force_login(make_person("administrator"))
    with running(token=TOKEN, config={"max_batch_size": 20}) as server:
        fields = {
            "name": "저쪽", "base_url": server.url, "credential": TOKEN, "header": "Authorization", "timeout_s": "3",
        }  # fmt: skip
        added = client.post(reverse("admin:inference_remoteserver_add"), fields)
        assert added.status_code == 302, added.content.decode()[-3000:]
        row = RemoteServer.objects.get()
        register = reverse("admin:inference_remoteserver_register", args=[row.pk])
        assert b"?model=sum&amp;version=1" in client.get(register).content
        looked = client.get(f"{register}?model=sum&version=1").content.decode()
        assert "FP32" in looked
        assert "20행" in looked
        refused = client.post(f"{register}?model=sum&version=1", {"name": "sums", "max_batch": "21"})
        assert "20행" in refused.content.decode().split("max_batch", 1)[1]
        done = client.post(f"{register}?model=sum&version=1", {"name": "sums", "max_batch": "16"})
        assert done.status_code == 302
        version = ModelVersion.objects.get()
        assert done["Location"] == reverse("admin:registry_modelversion_change", args=[version.pk])
        page = client.get(done["Location"]).content.decode()
        detail = client.get(reverse("admin:inference_remoteserver_change", args=[row.pk])).content.decode()
    assert reverse("admin:inference_remoteserver_change", args=[row.pk]) in page
    for shown in (looked, page, detail):
        assert TOKEN not in shown
        assert "sealed1" not in shown


def test_pages_when_a_server_with_its_own_authority_is_changed_need_no_credential(tmp_path: Path) -> None:
    client = Client()
    client.force_login(make_person("administrator"))
    pem = certificate_of(make_certificate(tmp_path, "there"))
    row = add_server(name="there", base_url="https://127.0.0.1:9", actor="test", credential=TOKEN, ca_pem=pem)
    url = reverse("admin:inference_remoteserver_do", args=[row.pk, "edit"])
    fields = {"base_url": row.base_url, "header": row.header, "ca_pem": pem.replace("\n", "\r\n"), "reason": "slow"}
    for kept in (pem.strip(), pem.strip().replace("\n", "\r\n")):
        RemoteServer.objects.update(ca_pem=kept, timeout_s=10)
        reply = client.post(url, {**fields, "timeout_s": "5"})
        assert reply.status_code == 302, reply.content.decode()[-3000:]
        assert RemoteServer.objects.get().timeout_s == 5
    assert (
        b"\r" not in add_server(name="b", base_url=row.base_url, actor="test", ca_pem=fields["ca_pem"]).ca_pem.encode()
    )


def test_pages_when_the_server_is_down_or_lies_stay_readable() -> None:
    client = Client()
    client.force_login(make_person("operator"))
    with running(metadata={"name": "sum"}) as server:
        row = RemoteServer.objects.create(name="there", base_url=server.url, credential=seal(TOKEN))
        register = reverse("admin:inference_remoteserver_register", args=[row.pk])
        bare = client.post(f"{register}?model=sum", {"name": "sums", "max_batch": "16", "signature": "{"})
        assert bare.status_code == 200
        assert not RegisteredModel.objects.exists()
    for query in ("", "?model=sum", "?model=../x", "?model=%01"):
        assert client.get(register + query).status_code == 200
    changed = client.post(
        reverse("admin:inference_remoteserver_do", args=[row.pk, "edit"]), {"base_url": "http://127.0.0.1:1"}
    )
    assert changed.status_code == 403, "an operator may not change servers"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()
