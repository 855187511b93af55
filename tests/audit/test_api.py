"""The audit trail by REST: pages by key, filters, sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from audit.downloads import make
from audit.proofs import prove
from audit.services import record
from jobs.models import Job
from tests.accounts.making import make_client, make_user


@pytest.fixture
def auditor() -> Client:
    return make_client(make_user("auditor", username="auditor"))


@pytest.mark.django_db
def test_events_when_paged_come_each_once_newest_first(auditor: Client) -> None:
    for _ in range(25):
        record(action="test.done", actor="tester")
    seen, address = [], "/api/v1/audit?action=test.&page_size=10"
    while address:
        page = auditor.get(address).json()
        seen += [event["sequence"] for event in page["results"]]
        address = page["next"]
    assert len(seen) == 25
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.django_db
def test_events_when_listed_cost_the_same_queries_for_any_number(
    auditor: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(30):
        record(action="test.done", actor=make_user(username=f"user{number}"))
    with django_assert_max_num_queries(9):
        assert len(auditor.get("/api/v1/audit").json()["results"]) == 50


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("actor=minji", 2),
        ("actor=nobody", 0),
        ("action=test.", 3),
        ("action=test.other", 1),
        ("outcome=refused", 0),
        ("target_type=accounts.user&action=test.", 1),
        ("since=2999-01-01T00:00:00Z", 0),
        ("until=2999-01-01T00:00:00Z&action=test.", 3),
    ],
)
def test_events_when_filtered_are_those_asked_for(auditor: Client, query: str, count: int) -> None:
    user = make_user(username="minji")
    record(action="test.done", actor=user)
    record(action="test.other", actor=user)
    record(action="test.done", actor="tester", target=user)
    assert len(auditor.get(f"/api/v1/audit?{query}").json()["results"]) == count


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["cursor=x", "page_size=0", "page_size=999", "page_size=²", "since=then"])
def test_events_when_asked_for_wrongly_name_the_field(auditor: Client, query: str) -> None:
    answer = auditor.get(f"/api/v1/audit?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [query.partition("=")[0]]


@pytest.mark.django_db
def test_event_when_read_says_who_and_what_in_the_language_asked_for(auditor: Client) -> None:
    event = record(action="accounts.logged_in", actor=make_user(username="minji"))
    answer = auditor.get(f"/api/v1/audit/{event.sequence}", headers={"Accept-Language": "en"}).json()
    assert (answer["sentence"], answer["actor_name"]) == ("minji logged in", "minji")
    assert answer["at"].endswith("Z")


@pytest.mark.django_db
def test_chain_when_asked_for_says_how_it_stands(auditor: Client) -> None:
    record(action="test.done", actor="tester")
    said = auditor.get("/api/v1/audit/chain").json()
    assert (said["verdict"], said["verified_at"], said["anchored_until"]) == ("unknown", None, 0)
    prove(actor="tester")
    said = auditor.get("/api/v1/audit/chain").json()
    assert (said["verdict"], said["problem"], len(said["root_key"])) == ("whole", "", 64)
    assert said["signed_until"] == said["anchored_until"] == said["events"] - 1


@pytest.mark.django_db
def test_verification_when_asked_for_is_a_job_and_not_twice(auditor: Client) -> None:
    record(action="test.done", actor="tester")
    answer = auditor.post("/api/v1/audit/verify")
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v1/jobs/{answer.json()['job']}"
    assert Job.objects.get(pk=answer.json()["job"]).kind == "audit.verify"
    assert auditor.post("/api/v1/audit/verify").status_code == 409


@pytest.mark.django_db
def test_export_when_asked_for_is_a_job_and_then_a_file(auditor: Client) -> None:
    record(action="test.done", actor="tester")
    asked = {"since": "2020-01-01T00:00:00Z", "last": 1}
    answer = auditor.post("/api/v1/audit/exports", asked, content_type="application/json")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["job"])
    event = make(name=job.pk.hex, actor="tester", asked=job.payload)
    answer = auditor.get(f"/api/v1/audit/{event.pk}/export")
    assert b"".join(answer.streaming_content)[:2] == b"PK"
    assert auditor.get("/api/v1/audit/1/export").status_code == 404
    Job.objects.update(state="succeeded")
    for wrong in ({"first": 0}, {"last": 2**70}, {"since": "then"}):
        assert auditor.post("/api/v1/audit/exports", wrong, content_type="application/json").status_code == 400
    late = {"since": "2999-01-01T00:00:00Z"}
    assert auditor.post("/api/v1/audit/exports", late, content_type="application/json").status_code == 404
