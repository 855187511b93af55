"""Feedback from files: what fits is taken once, the rest is set aside with line and reason."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from common.errors import Invalid
from feedback.models import Feedback
from feedback.services.importing import import_rows
from jobs.models import Job
from jobs.runner import run_job
from notify.models import Delivery
from tests.accounts.making import make_client, make_user, post
from tests.feedback.saying import NUMBERS_SIGNATURE, make_call, make_upload, make_version
from tests.notify.making import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "request_id,row,person,thumb,rating,correction,labels,comment\n"


def take(content: str | bytes, name: str = "말.csv") -> dict[str, Any]:
    owner = make_user("operator")
    return import_rows(file=make_upload(content, name, owner), actor=owner, report=lambda _percent: None)


def test_csv_when_some_rows_are_wrong_sets_them_aside_by_line() -> None:
    version = make_version()
    a, b = make_call(version), make_call(version)
    told = take(
        HEADER
        + f'{a.pk},0,kim,down,1,환불,느림;틀림,"두 줄\n말"\n'
        + f"{b.pk},,lee,👍,,,,\n"
        + f"{b.pk},5,lee,1,,,,\n"
        + f"{b.pk},0,,1,,,,\n"
        + f"{b.pk},0,kim,7,,,,\n"
        + f"{b.pk},0,kim,,,없는 라벨,,\n"
        + "not-an-id,0,kim,1,,,,\n"
        + "ragged,0\n"
    )
    assert {name: told[name] for name in ("new", "changed", "same", "set_aside", "rows")} == {
        "new": 2, "changed": 0, "same": 0, "set_aside": 6, "rows": 8,
    }  # fmt: skip
    assert sorted(one["line"] for one in told["rejects"]) == [5, 6, 7, 8, 9, 10]
    assert all(one["reason"] for one in told["rejects"])
    first = Feedback.objects.get(request_id=a.pk)
    assert (first.thumb, first.rating, first.correction, first.labels) == (-1, 1, "refund", ["느림", "틀림"])
    assert (first.comment, first.person, first.source) == ("두 줄\n말", "kim", "import")


def test_events_when_many_rows_are_imported_then_one_with_their_counts() -> None:
    webhook, _secret = make_webhook("https://example.com/", events=["feedback.given", "feedback.imported"])
    version = make_version()
    calls = [make_call(version) for _ in range(3)]
    take(HEADER + "".join(f"{call.pk},0,kim,1,,,,\n" for call in calls) + "ragged,0\n")
    (told,) = Delivery.objects.filter(webhook=webhook)
    assert orjson.loads(told.body)["data"] == {"file": "말.csv", "new": 3, "changed": 0, "same": 0, "set_aside": 1}
    assert told.event == "feedback.imported"


def test_json_lines_when_brought_in_again_change_nothing() -> None:
    call = make_call(make_version(NUMBERS_SIGNATURE, labels=None))
    lines = [
        {"request_id": str(call.pk), "person": "kim", "correction": [1.5, 2]},
        {"request_id": str(call.pk), "person": "lee", "correction": "[3, 4]", "labels": ["a"]},
        {"request_id": str(call.pk), "person": "kim", "mood": 1},
    ]
    content = "\n".join(json.dumps(one) for one in lines) + '\n{"broken"\n[1]\n{"request_id": "\\ud800"}\n'
    told = take(content, "말.jsonl")
    assert (told["new"], told["set_aside"]) == (2, 4)
    assert [one["line"] for one in told["rejects"]] == [3, 4, 5, 6]
    assert Feedback.objects.get(person="lee").correction == [3, 4]
    again = take(content, "말.jsonl")
    assert (again["new"], again["changed"], again["same"]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("content", "name"),
    [("", "a.csv"), (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "a.csv"), (HEADER, "a.csv"), ("[]", "a.json")],
)
def test_file_without_rows_is_refused(content: str | bytes, name: str) -> None:
    with pytest.raises(Invalid):
        take(content, name)


def test_import_by_rest_is_a_job_that_counts() -> None:
    user = make_user("operator")
    file = make_upload(HEADER + f"{make_call().pk},0,kim,1,,,,\n", "a.csv", user)
    client = make_client(user)
    answer = post(client, "feedback/import", {"file": str(file.pk)})
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(pk=orjson.loads(answer.content)["job"])
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error, job.result["new"]) == ("succeeded", "", 1)
    assert answer.headers["Location"] == f"/api/v1/jobs/{job.pk}"
    assert post(make_client(make_user("operator")), "feedback/import", {"file": str(file.pk)}).status_code == 404
    assert post(make_client(make_user("client")), "feedback/import", {"file": str(file.pk)}).status_code == 403


def test_command_when_the_person_may_not_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + f"{make_call().pk},0,kim,1,,,,\n")
    with pytest.raises(CommandError):
        call_command("import_feedback", str(path), user=make_user("client").username)
    with pytest.raises(CommandError):
        call_command("import_feedback", str(path), user="nobody")
    call_command("import_feedback", str(path), "--no-wait", user=make_user("operator").username)
    job = Job.objects.get(kind="feedback.import")
    run_job(str(job.pk))
    assert Feedback.objects.count() == 1
