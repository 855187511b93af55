"""Calls of the artifact proxy by Django's client."""

import json
from urllib.parse import quote

from tests.registry.make import files_of

BASE = "/api/2.0/mlflow-artifacts"


def put(client, path, content=b"hello", kind="application/octet-stream"):
    return client.put(f"{BASE}/artifacts/{quote(path)}", content, content_type=kind)


def put_folder(client, folder, at):
    for path, source in files_of(folder).items():
        assert put(client, f"{at}/{path}", source.read_bytes()).status_code == 200


def get(client, path, **headers):
    return client.get(f"{BASE}/artifacts/{quote(path)}", headers=headers)


def listed(client, path=""):
    answer = client.get(f"{BASE}/artifacts", {"path": path} if path else {})
    assert answer.status_code == 200, answer.content
    return [(one["path"], one.get("file_size", "folder")) for one in answer.json()["files"]]


def body(answer):
    return b"".join(answer.streaming_content)


def post(client, path, said):
    return client.post(f"{BASE}/{path}", json.dumps(said), content_type="application/json")


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def begin(client, folder="run", name="/tmp/내 모델.bin", count=3):
    answer = post(client, f"mpu/create/{quote(folder)}", {"path": name, "num_parts": count})
    assert answer.status_code == 200, answer.content
    return answer.json()
