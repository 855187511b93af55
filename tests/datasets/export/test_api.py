"""The REST door of exports, splits, differences and lineage."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from django.test import Client

from datasets.models import DatasetVersion, VersionDifference
from jobs.runner import run_job
from tests.accounts.making import make_client, make_user, post
from tests.datasets.making import make_version

pytestmark = pytest.mark.django_db
OLD = pl.DataFrame({"id": [1, 2, 3], "text": ["가", "나", "다"]})
NEW = pl.DataFrame({"id": [2, 3, 4], "text": ["나", "다라", "마"]})
VERSION = "datasets/문장/versions"


@pytest.fixture
def operator() -> Client:
    """Give an operator's client."""
    return make_client(make_user("operator"))


def run(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Ask for work, do it, and give the answer."""
    answer = post(client, path, body)
    assert answer.status_code == 202, answer.content.decode()
    assert client.get(answer["Location"]).status_code == 200
    return answer


def test_export_when_asked_for_becomes_a_file_of_the_caller(operator: Client) -> None:
    make_version(OLD)
    answer = run(operator, f"{VERSION}/1/exports", {"format": "jsonl"})
    run_job(answer.json()["job"])
    file = operator.get(answer["Location"]).json()["result"]["file"]
    lines = b"".join(operator.get(f"/api/v1/files/{file}/content").streaming_content).splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["가", "나", "다"]


def test_split_when_asked_for_makes_the_next_version(operator: Client) -> None:
    make_version(OLD)
    shares = [{"name": "학습", "percent": 50}, {"name": "시험", "percent": 50}]
    answer = run(operator, f"{VERSION}/1/splits", {"shares": shares, "together": ["id"], "seed": 5})
    version = DatasetVersion.objects.select_related("preprocessing").get(number=answer.json()["version"])
    run_job(str(version.preprocessing.job_id))
    version.refresh_from_db()
    assert (version.is_sealed, version.rows) == (True, 3)
    wrong = post(operator, f"{VERSION}/1/splits", {"shares": shares[:1]})
    assert (wrong.status_code, list(wrong.json()["error"]["fields"])) == (400, ["shares"])


def test_difference_when_asked_for_again_is_there_at_once(operator: Client) -> None:
    make_version(OLD)
    make_version(NEW)
    answer = run(operator, f"{VERSION}/2/differences", {"before": "문장:1"})
    run_job(str(VersionDifference.objects.get(pk=answer.json()["id"]).job_id))
    again = post(operator, f"{VERSION}/2/differences", {"before": "문장:1"})
    assert again.status_code == 200
    told = again.json()["summary"]
    assert {name: told[name] for name in ("key", "added", "removed", "changed", "same", "by_column")} == {
        "key": "id", "added": 1, "removed": 1, "changed": 1, "same": 1, "by_column": {"text": 1},
    }  # fmt: skip
    address = answer["Location"]
    lines = b"".join(operator.get(f"{address}/content?as=jsonl").streaming_content).splitlines()
    assert [json.loads(line)["__change"] for line in lines] == ["removed", "changed from", "changed to", "added"]
    assert b"".join(operator.get(f"{address}/content").streaming_content).startswith(b"PAR1")
    assert operator.get(f"{address}/content?as=pickle").status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"before": "문장:1"}, 400, "before"),
        ({"before": "없는것:1"}, 404, ""),
        ({"before": "다른:1"}, 400, "before"),
        ({"before": "문장:2", "key": "nothing"}, 400, "key"),
    ],
)
def test_difference_when_it_cannot_be_says_why(operator: Client, body: Any, status: int, field: str) -> None:
    make_version(OLD)
    make_version(NEW)
    make_version(pl.DataFrame({"a": [1]}), dataset="다른")
    answer = post(operator, f"{VERSION}/1/differences", body)
    assert (answer.status_code, "".join(answer.json()["error"].get("fields") or {})) == (status, field)


def test_lineage_when_read_has_nodes_and_edges(operator: Client) -> None:
    first = make_version(OLD)
    second = make_version(NEW, parent=first)
    told = operator.get(f"/api/v1/{VERSION}/2/lineage").json()
    assert {one["kind"] for one in told["nodes"]} == {"version", "split"}
    assert {"from": f"version:{first.pk}", "to": f"split:{second.pk}"} in told["edges"]
    assert operator.get(f"/api/v1/{VERSION}/9/lineage").status_code == 404
