"""The inbox and what stands on other pages: questions, filters, giving feedback, putting it into review."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from feedback.models import Feedback, ReviewItem, ReviewQueue
from inference.models import Deployment
from tests.admin.making import log_in
from tests.feedback.saying import make_call, make_version, say
from tests.inference.log_rows import make_prediction

pytestmark = pytest.mark.django_db
LIST = "/admin/feedback/feedback/"


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, answer.headers
    return answer.content.decode()


def test_inbox_says_what_nobody_looks_at_and_filters_by_address() -> None:
    client = log_in("operator", language="en")
    version = make_version()
    calls = [make_call(version, text=f"문장 {n}") for n in range(3)]
    for call in calls:
        say(call, thumb=-1)
    say(calls[0], person="user:2", thumb=1, rating=5, comment="좋아요!", correction="환불")
    queue = ReviewQueue.objects.create(name="q", answer="label", choices=["a", "b"])
    ReviewItem.objects.create(queue=queue, source_key="x", reason="by_hand", request_id=calls[1].pk, reviews_needed=1)
    text = page(client, LIST)
    assert "3 thumbs down in the last day, 2 not yet in review" in re.sub("<[^>]+>", "", text)
    assert all(f"문장 {n}" in text for n in range(3))
    for query, count in (
        ("thumb=1", 1), ("thumb=-1", 3), ("rating=5", 1), ("correction=1", 1), ("review=no", 3), ("review=yes", 1),
        ("deployment=none", 0), (f"version={version.pk}", 4), (f"request={calls[0].pk}", 2), ("source=import", 0),
        ("thumb=x&rating=9&range=never&version=zz&cursor=1", 4),
    ):  # fmt: skip
        assert page(client, f"{LIST}?{query}").count('class="fb-line"') == count, query


def test_inbox_when_rows_grow_asks_no_more_often() -> None:
    client, counts = log_in("operator"), []
    for rows in (2, 10):
        for n in range(rows):
            say(make_call(text=f"{n}"), thumb=-1)
        page(client, LIST)
        with CaptureQueriesContext(connection) as queries:
            page(client, LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_request_page_shows_feedback_and_takes_it() -> None:
    call = make_call(make_version(), rows=2)
    make_prediction(call, 1)
    client = log_in("reviewer")
    url = reverse("admin:inference_inferencerequest_change", args=[call.pk])
    text = page(client, url)
    assert '<option value="refund">환불</option>' in text
    body = {"request_id": str(call.pk), "row": "2", "thumb": "-1", "correction": "refund", "comment": "틀림"}
    answer = client.post("/admin/feedback/feedback/say/", body)
    assert answer.headers["Location"] == f"{url}#feedback"
    said = Feedback.objects.get()
    assert (said.row, said.thumb, said.correction, said.source) == (1, -1, "refund", "admin")
    assert "틀림" in page(client, url)
    detail = page(client, f"{LIST}{said.pk}/change/")
    assert url in detail
    client.post("/admin/feedback/feedback/say/", {**body, "correction": "없음"})
    assert Feedback.objects.get().correction == "refund"
    client.post("/admin/feedback/feedback/say/", {**body, "row": "9"})
    client.post("/admin/feedback/feedback/say/", {**body, "request_id": "x"})
    assert Feedback.objects.count() == 1
    assert log_in("auditor").post("/admin/feedback/feedback/say/", body).status_code == 403


def test_page_when_words_are_hostile_shows_them_as_text() -> None:
    call = make_call(make_version(labels=None), text="<script>alert(1)</script>")
    said = say(
        call, thumb=-1, comment="<img src=x onerror=alert(2)>", labels=["<b>x</b>"], correction={"label": "<i>y"}
    )
    client = log_in("operator")
    for url in (
        LIST,
        f"{LIST}{said.feedback.pk}/change/",
        reverse("admin:inference_inferencerequest_change", args=[call.pk]),
    ):
        text = page(client, url)
        assert not any(word in text for word in ("<script>alert", "<img src=x", "<b>x", "<i>y")), url


def test_deployment_page_gives_the_share_of_thumbs_up_by_version() -> None:
    version = make_version()
    deployment = Deployment.objects.create(name="intent")
    for n in range(4):
        say(make_call(version), person=f"user:{n}", thumb=1 if n else -1)
    text = page(log_in("operator"), reverse("admin:inference_deployment_change", args=[deployment.pk]))
    assert "75" in text
    assert f"version={version.pk}" in text


def test_feedback_when_put_into_review_is_there_once() -> None:
    calls = [make_call(make_version(number=n + 1), text=f"{n}") for n in range(3)]
    for call in calls:
        say(call, thumb=-1)
    queue = ReviewQueue.objects.create(name="q", answer="label", choices=["delivery", "refund"])
    client = log_in("operator")
    url = "/admin/feedback/feedback/review/?thumb=-1"
    assert "3" in page(client, url)
    for _n in range(2):
        answer = client.post(url, {"queue": queue.pk})
        assert answer.headers["Location"].endswith(f"/{queue.pk}/change/")
    assert {item.request_id for item in queue.items.all()} == {call.pk for call in calls}
    assert queue.items.count() == 3
    assert log_in("reviewer").get(url).status_code == 403


def test_data_page_begins_a_version(django_capture_on_commit_callbacks: Any) -> None:
    queue = ReviewQueue.objects.create(name="q", answer="label", choices=["a", "b"])
    client = log_in("operator")
    url = f"/admin/feedback/feedback/data/?queue={queue.pk}"
    body = {"queues": [queue.pk], "dataset": "새 것", "least_agreement": "50", "mask": "on"}
    assert "fm-field-error" in client.post(url, body).content.decode()
    ReviewItem.objects.create(
        queue=queue, source_key="x", reason="by_hand", reviews_needed=1, state="agreed", final_answer="a",
        input={"text": "말"},
    )  # fmt: skip
    assert "새 것" not in page(client, url)
    answer = client.post(url, body)
    assert "/preprocessingjob/" in answer.headers["Location"]
    assert log_in("reviewer").get(url).status_code == 403
