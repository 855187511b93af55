"""Uploads in parts through the artifact proxy: any order, sent again, wrong, aborted, forgotten."""

from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client

from audit.models import AuditEvent
from files.housekeeping import wrong_counts
from files.models import Upload
from files.services import expire_uploads
from files.staging import disk
from registry.models import Artifact
from tests.accounts.making import bearer, make_key, make_user
from tests.mlflow.artifacts.calling import begin, body, code, get, post, put

pytestmark = pytest.mark.django_db


def send(made, number, content):
    """Send a part as clients do: without a credential."""
    url = next(one["url"] for one in made["credentials"] if one["part_number"] == number)
    return Client().put(urlsplit(url).path, content, content_type="application/octet-stream")


def complete(client, made, tags, folder="run", name="/tmp/내 모델.bin", url="ignored"):
    parts = [{"part_number": number, "etag": tag, "url": url} for number, tag in tags]
    said = {"path": name, "upload_id": made["upload_id"], "parts": parts}
    return post(client, f"mpu/complete/{quote(folder)}", said)


def test_parts_when_out_of_order_and_sent_again_then_one_file_in_order(client):
    made = begin(client)
    tags = {number: send(made, number, str(number).encode() * 1000)["ETag"] for number in (3, 1)}
    assert send(made, 2, b"wrong").status_code == 200
    tags[2] = send(made, 2, b"2" * 1000)["ETag"]
    answer = complete(client, made, sorted(tags.items()))
    assert (answer.status_code, answer.json()) == (200, {}), answer.content
    assert body(get(client, "run/내 모델.bin")) == b"1" * 1000 + b"2" * 1000 + b"3" * 1000
    assert not Upload.objects.exists()
    assert wrong_counts() == {}
    assert AuditEvent.objects.filter(action="registry.artifact_put").count() == 1


def test_complete_when_said_again_then_200_as_long_as_its_file_stands_there(client, user):
    made = begin(client, count=1)
    tag = send(made, 1, b"first")["ETag"]
    assert complete(client, made, [(1, tag)]).status_code == 200
    again = complete(client, made, [(1, tag)])
    assert (again.status_code, again.json()) == (200, {})
    assert AuditEvent.objects.filter(action="registry.artifact_put").count() == 1
    other = Client(headers=bearer(make_key(make_user("operator"))[1]))
    assert complete(other, made, [(1, tag)]).status_code == 404
    assert complete(client, made, [(1, tag)], folder="elsewhere").status_code == 404
    assert post(client, "mpu/abort/run", {"path": "내 모델.bin", "upload_id": made["upload_id"]}).status_code == 404
    assert put(client, "run/내 모델.bin", b"second").status_code == 200
    assert complete(client, made, [(1, tag)]).status_code == 404
    assert body(get(client, "run/내 모델.bin")) == b"second"
    assert wrong_counts() == {}


WRONG = {
    "one is missing": [(1, ""), (3, "")],
    "one is twice": [(1, ""), (1, ""), (2, ""), (3, "")],
    "out of order": [(2, ""), (1, ""), (3, "")],
    "one more": [(1, ""), (2, ""), (3, ""), (4, "")],
    "another tag": [(1, ""), (2, '"0000"'), (3, "")],
    "none": [],
}


@pytest.mark.parametrize("name", WRONG)
def test_complete_when_the_parts_are_not_those_that_came_then_400_and_they_wait(client, name):
    made = begin(client)
    tags = {number: send(made, number, b"x" * number)["ETag"] for number in (1, 2, 3)}
    answer = complete(client, made, [(number, tag or tags.get(number, "x")) for number, tag in WRONG[name]])
    assert code(answer) == (400, "INVALID_PARAMETER_VALUE"), answer.content
    assert complete(client, made, sorted(tags.items())).status_code == 200


def test_complete_when_a_part_never_came_then_400(client):
    made = begin(client, count=2)
    tag = send(made, 1, b"x")["ETag"]
    assert "part 2 has not come" in complete(client, made, [(1, tag), (2, tag)]).json()["message"]


@pytest.mark.parametrize("count", [0, -1, 10_001, "x", 10**30, True])
def test_create_when_the_number_of_parts_is_odd_then_400(client, count):
    answer = post(client, "mpu/create/a", {"path": "x", "num_parts": count})
    assert code(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert not Upload.objects.exists()


def test_parts_when_aborted_then_gone_and_their_addresses_too(client):
    made = begin(client, count=1)
    tag = send(made, 1, b"x")["ETag"]
    said = {"path": "내 모델.bin", "upload_id": made["upload_id"]}
    assert post(client, "mpu/abort/run", said).json() == {}
    assert code(send(made, 1, b"x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert code(complete(client, made, [(1, tag)])) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_parts_when_of_somebody_else_or_for_another_path_then_404(client):
    made = begin(client, count=1)
    tag = send(made, 1, b"x")["ETag"]
    other = Client(headers=bearer(make_key(make_user("operator"))[1]))
    assert complete(other, made, [(1, tag)]).status_code == 404
    assert complete(client, made, [(1, tag)], folder="elsewhere").status_code == 404
    assert complete(client, {"upload_id": "no id"}, [(1, tag)]).status_code == 404


def test_parts_when_past_the_limit_then_413(client, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    made = begin(client, count=2)
    assert send(made, 1, b"x" * 900).status_code == 200
    assert code(send(made, 2, b"x" * 101)) == (413, "BAD_REQUEST")
    assert send(made, 2, b"x" * 100).status_code == 200


def test_parts_when_nobody_goes_on_then_forgotten(client):
    made = begin(client, count=1)
    send(made, 1, b"x")
    Upload.objects.update(expires_at="2026-01-01T00:00:00Z")
    assert expire_uploads() == 1
    assert send(made, 1, b"x").status_code == 404


def test_upload_of_parts_when_its_owner_calls_it_by_the_other_doors_then_it_takes_nothing(client):
    made = begin(client, count=1)
    path = f"/api/v1/uploads/{made['upload_id']}"
    assert client.post(f"{path}/complete").status_code == 409
    sent = client.patch(path, b"x", content_type="application/offset+octet-stream", headers={"Upload-Offset": "0"})
    assert sent.status_code == 409
    assert client.post(f"{path}/addresses", {"numbers": [1]}, content_type="application/json").status_code == 409
    begun = client.post(
        "/api/v1/uploads", {"name": "a", "size_bytes": 1, "way": "parts"}, content_type="application/json"
    )
    assert begun.status_code == 400


def meet(monkeypatch, meanwhile):
    """Have something done once, while the bytes of an upload are read back."""
    whole, waiting = disk.assembled, [meanwhile]

    @contextmanager
    def interrupted(upload):
        with whole(upload) as found:
            while waiting:
                waiting.pop()()
            yield found

    monkeypatch.setattr(disk, "assembled", interrupted)


@pytest.mark.parametrize("count", [1, 2])
def test_complete_when_another_comes_while_it_reads_back_then_both_200_and_one_file(client, monkeypatch, count):
    made, answers = begin(client, count=count), []
    tags = [(number, send(made, number, b"x" * number)["ETag"]) for number in range(1, count + 1)]
    meet(monkeypatch, lambda: answers.append(complete(client, made, tags)))
    answers.append(complete(client, made, tags))
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {})] * 2
    assert body(get(client, "run/내 모델.bin")) == b"x" * (1 if count == 1 else 3)
    assert AuditEvent.objects.filter(action="registry.artifact_put").count() == 1
    assert wrong_counts() == {}


def test_complete_when_aborted_while_it_reads_back_then_404_and_nothing_is_kept(client, monkeypatch):
    made, answers = begin(client, count=1), []
    tag = send(made, 1, b"x")["ETag"]
    said = {"path": "내 모델.bin", "upload_id": made["upload_id"]}
    meet(monkeypatch, lambda: answers.append(post(client, "mpu/abort/run", said)))
    assert code(complete(client, made, [(1, tag)])) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert answers[0].json() == {}
    assert not Artifact.objects.exists()
    assert wrong_counts() == {}


@pytest.mark.parametrize(("size", "status"), [(17 * 2**20, 200), (40 * 2**20, 413)])
def test_complete_when_the_addresses_that_clients_send_back_are_long_then_taken_up_to_a_limit(client, size, status):
    made = begin(client, count=1)
    tag = send(made, 1, b"x")["ETag"]
    assert complete(client, made, [(1, tag)], url="x" * size).status_code == status
