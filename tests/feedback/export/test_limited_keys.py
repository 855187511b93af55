"""A key for some deployments: what was said and reviewed elsewhere neither goes out nor comes in by it."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from feedback.models import ReviewQueue
from jobs.models import Job
from tests.accounts.making import bearer, make_key, make_user, post
from tests.feedback.reviewers import judge, make_items, make_people, make_queue
from tests.feedback.saying import make_call, make_upload

pytestmark = pytest.mark.django_db


def limited(user: User) -> Client:
    return Client(headers=bearer(make_key(user, "manage", allowed_models=["numbers"])[1]))


def make_reviewed(deployment: str) -> ReviewQueue:
    queue, (person,) = make_queue(deployment, deployment=deployment, reviewers_per_item=1), make_people(1)
    make_items(queue)
    judge(queue, person, ["배송"])
    return queue


def test_reviewed_items_when_of_another_deployment_then_not_found_by_the_key() -> None:
    user = make_user("operator")
    other, own, client = make_reviewed("intent"), make_reviewed("numbers"), limited(user)
    file = make_upload("[]", "a.json", user)
    for path, body in (
        ("review-data", {"dataset": "d", "queues": [own.name, other.name]}),
        ("review-data/export", {"queue": other.name, "tool": "argilla"}),
        ("review-data/import", {"queue": other.name, "tool": "argilla", "file": str(file.pk)}),
    ):
        assert post(client, path, body).status_code == 404, path
    assert not Job.objects.exists()
    assert post(client, "review-data/export", {"queue": own.name, "tool": "argilla"}).status_code == 202


def test_feedback_of_files_when_brought_in_by_the_key_then_refused() -> None:
    user = make_user("operator")
    file = make_upload(f"request_id,person,thumb\n{make_call().pk},kim,1\n", "a.csv", user)
    assert post(limited(user), "feedback/import", {"file": str(file.pk)}).status_code == 403


@pytest.mark.parametrize("kind", ["feedback", "predictions"])
def test_source_that_holds_calls_when_asked_with_the_key_then_refused(kind: str) -> None:
    user = make_user("operator")
    make_reviewed("intent")
    body = {"kind": kind, "options": {"queues": "intent", "deployment": "intent"}}
    for path in ("datasets/d/imports", "datasets/d/imports/look"):
        answer = post(limited(user), path, body)
        assert answer.status_code == 403, (path, answer.content)
