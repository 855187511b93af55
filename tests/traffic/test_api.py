"""`/api/v1/deployments/{name}/…`: traffic by REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.services import create_api_key
from inference.models import Deployment
from tests.admin.making import make_person
from tests.traffic.making import (
    count_canary,
    make_deployment,
    make_shadow_result,
    make_version,
    start_canary,
    start_shadow,
    weights,
)

pytestmark = pytest.mark.django_db
HOME = "/api/v1/deployments/intent"


def make_client(role: str = "operator") -> Client:
    user = make_person(role)
    _, text = create_api_key(user=user, actor=user, name="test", scopes=["manage"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def post(client: Client, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    answer = client.post(
        f"{HOME}/{path}",
        body or {},
        content_type="application/json",
        headers={n.replace("_", "-"): v for n, v in headers.items()},
    )
    assert answer.status_code == status, answer.content
    return answer.json()


def test_key_for_some_deployments_when_it_asks_for_another_then_refused_at_each_address() -> None:
    make_deployment()
    user = make_person("operator")
    keys = {
        name: create_api_key(user=user, actor=user, name=name, scopes=["manage"], allowed_models=[name])[1]
        for name in ("intent", "other")
    }
    own, other = (Client(headers={"Authorization": f"Bearer {keys[name]}"}) for name in ("intent", "other"))
    body = {"version": 1, "weight": 5, "share_percent": 5, "weights": [{"version": 1, "weight": 100}]}
    for path in ("", "/routes", "/canary", "/revisions", "/revisions/1", "/shadow-results", "/manifest"):
        assert other.get(HOME + path).status_code == 403, path
    for path in ("canary", "shadow", "promote", "end", "rollback", "enable", "disable"):
        assert other.post(f"{HOME}/{path}", body, content_type="application/json").status_code == 403, path
    assert other.put(f"{HOME}/routes", body, content_type="application/json").status_code == 403
    assert other.delete(HOME).status_code == 403
    made = {"name": "intent", "model": "intent", "version": 1}
    assert other.post("/api/v1/deployments", made, content_type="application/json").status_code == 403
    assert other.get("/api/v1/batch-runs").status_code == 403
    assert [one["name"] for one in own.get("/api/v1/deployments").json()["results"]] == ["intent"]
    assert other.get("/api/v1/deployments").json()["results"] == []
    assert own.get(HOME + "/routes").status_code == 200


def routes(told: Any) -> dict[tuple[int, str], int]:
    return {(one["version"], one["kind"]): one["weight"] for one in told["routes"]}


def test_traffic_when_moved_by_each_verb_is_told_with_every_answer() -> None:
    make_deployment()
    for number in (2, 3):
        make_version(number)
    client = make_client()
    begun = post(client, "canary", {"version": 2, "weight": 5, "guard": {"steps": [25, 100]}, "reason": "r"})
    assert routes(begun) == {(1, "live"): 95, (2, "canary"): 5}
    assert begun["revision"] == 2
    assert next(one for one in begun["routes"] if one["kind"] == "canary")["guard"]["steps"] == [25, 100]
    assert routes(post(client, "shadow", {"version": 3, "share_percent": 20}))[3, "shadow"] == 20
    assert (3, "shadow") not in routes(post(client, "end", {"version": 3}))
    body = {"weights": [{"version": 1, "weight": 60}, {"version": 2, "weight": 40}]}
    put = client.put(f"{HOME}/routes", body, content_type="application/json")
    assert routes(put.json()) == {(1, "live"): 60, (2, "canary"): 40}
    assert routes(post(client, "promote", {"version": 2})) == {(2, "live"): 100}
    assert routes(post(client, "rollback", {"to": 1})) == {(1, "live"): 100}
    assert routes(client.get(f"{HOME}/routes").json()) == {(1, "live"): 100}


def test_revisions_when_read_are_paged_and_name_who_and_why() -> None:
    deployment, client = make_deployment(), make_client()
    post(client, "canary", {"version": make_version(2).number, "weight": 5, "reason": "작아서"})
    post(client, "end", {"version": 2})
    first = client.get(f"{HOME}/revisions?page_size=2").json()
    assert [one["number"] for one in first["results"]] == [3, 2]
    assert (first["results"][1]["by"], first["results"][1]["reason"]) == ("the-operator", "작아서")
    assert [one["number"] for one in client.get(first["next"]).json()["results"]] == [1]
    assert client.get(f"{HOME}/revisions/2").json()["routes"][1] == {"name": "intent v2", "kind": "canary", "weight": 5}
    assert client.get("/api/v1/deployments/other/revisions").json()["results"] == []
    assert deployment.revisions.count() == 3


def test_canary_when_asked_for_gives_the_verdict() -> None:
    deployment, client = make_deployment(), make_client()
    assert client.get(f"{HOME}/canary").status_code == 404
    count_canary(start_canary(deployment, make_version(2)), canary=600, live=9000, errors=1)
    told = client.get(f"{HOME}/canary").json()
    assert (told["route"]["version"], told["verdict"]["state"], told["verdict"]["needed"]) == (2, "good", 0)
    assert told["verdict"]["canary"]["errors"] == 1


def test_change_when_another_was_made_meanwhile_is_refused() -> None:
    deployment, client = make_deployment(), make_client()
    start_canary(deployment, make_version(2))
    refused = post(client, "promote", {"version": 2, "revision": 1}, status=409)
    assert refused["error"]["code"] == "changed_meanwhile"
    assert weights(deployment)[2, "canary"] == 5


def test_deploying_when_another_change_was_made_meanwhile_is_refused() -> None:
    deployment, client = make_deployment(), make_client()
    start_canary(deployment, make_version(2))
    body = {"name": "intent", "model": "intent", "version": 2, "revision": 1}
    refused = client.post("/api/v1/deployments", body, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "changed_meanwhile")
    assert weights(deployment)[2, "canary"] == 5
    for name, seen in (("intent", 2), ("other", 0)):
        body |= {"name": name, "revision": seen}
        assert client.post("/api/v1/deployments", body, content_type="application/json").status_code == 200
    assert weights(deployment) == {(2, "live"): 100}


def test_description_when_changed_by_who_may_deploy_is_told() -> None:
    deployment, client = make_deployment(), make_client()
    send = {"content_type": "application/json"}
    told = client.patch(HOME, {"description": "상담 첫 화면"}, **send)
    assert (told.status_code, told.json()["description"]) == (200, "상담 첫 화면")
    assert client.get(HOME).json()["description"] == "상담 첫 화면"
    assert client.patch(HOME, {"description": "\ud800"}, **send).status_code == 400
    assert make_client("client").patch(HOME, {"description": "x"}, **send).status_code == 403
    deployment.refresh_from_db()
    assert deployment.description == "상담 첫 화면"


def test_canary_when_posted_twice_under_one_key_begins_once() -> None:
    deployment, client = make_deployment(), make_client()
    make_version(2)
    for _ in range(2):
        told = post(client, "canary", {"version": 2, "weight": 5}, idempotency_key="k")
        assert told["revision"] == 2
    assert deployment.revisions.count() == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("canary", {"version": 2, "weight": 100}, 400, "weight"),
        ("canary", {"version": 2, "weight": 5, "guard": {"drift": -1}}, 400, "drift"),
        ("canary", {"version": 2, "weight": 5, "guard": {"steps": [50, 25]}}, 400, "steps"),
        ("canary", {"version": 9, "weight": 5}, 404, ""),
        ("canary", {"version": 2, "weight": 5, "model": "other"}, 404, ""),
        ("canary", {"version": 1, "weight": 5}, 409, ""),
        ("shadow", {"version": 2, "share_percent": 0}, 400, "share_percent"),
        ("promote", {"version": 2}, 409, ""),
        ("promote", {"version": "2; drop"}, 400, "version"),
        ("end", {"version": 1}, 404, ""),
        ("rollback", {}, 409, ""),
        ("rollback", {"to": 99}, 404, ""),
    ],
)
def test_change_when_wrong_is_refused_and_changes_nothing(path: str, body: Any, status: int, field: str) -> None:
    deployment = make_deployment()
    make_version(2)
    refused = post(make_client(), path, body, status=status)["error"]
    assert not field or any(field in name for name in refused["fields"]), refused
    assert weights(deployment) == {(1, "live"): 100}


@pytest.mark.parametrize(
    "given",
    [
        [],
        [{"version": 1, "weight": 99}],
        [{"version": 1, "weight": 50}, {"version": 1, "weight": 50}],
        [{"version": 1, "weight": 50}, {"model": "intent", "version": 1, "weight": 50}],
        [{"version": 1, "weight": -1}],
        [{"version": 1, "weight": 1.5}],
        "all",
    ],
)
def test_weights_when_wrong_are_refused(given: Any) -> None:
    make_deployment()
    answer = make_client().put(f"{HOME}/routes", {"weights": given}, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert "weights" in str(answer.json()["error"]["fields"])


def test_shadow_results_when_read_are_those_of_the_deployment_and_version() -> None:
    start_shadow(make_deployment(), make_version(2))
    kept = make_shadow_result()
    make_shadow_result(deployment="other")
    make_shadow_result(version=3)
    client = make_client()
    (told,) = client.get(f"{HOME}/shadow-results?version=2").json()["results"]
    assert told["request_id"] == str(kept.request_id)
    assert told["outputs"] == [{"label": "환불", "score": 0.61}]
    assert len(client.get(f"{HOME}/shadow-results").json()["results"]) == 2
    assert client.get(f"{HOME}/shadow-results?version=x").status_code == 400


def test_shadow_results_when_asked_for_by_a_client_are_refused() -> None:
    make_deployment()
    client = make_client("client")
    assert client.get(f"{HOME}/shadow-results").status_code == 403
    assert client.get(f"{HOME}/revisions").status_code == 403
    assert Deployment.objects.count() == 1
