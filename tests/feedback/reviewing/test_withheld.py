"""Who only reviews finds no answer in the request log that they are still to judge."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from feedback.models import ReviewQueue
from feedback.rules import Source
from feedback.services.assignment import next_item
from feedback.services.feedback import give_feedback, person_of_user
from feedback.services.filling import add_items
from feedback.services.reviewing import submit
from feedback.services.settling import make_golden
from feedback.targets import find_target
from inference.models import AsynchronousPrediction, InferenceRequest, ShadowResult, prediction_key
from tests.accounts.making import make_client, make_user
from tests.feedback.reviewers import make_people, make_queue
from tests.inference.log_rows import make_request

pytestmark = pytest.mark.django_db
SAID = "배송"


def queued(queue: ReviewQueue, **more: Any) -> InferenceRequest:
    call = make_request(text="문의합니다", **more)
    add_items(queue=queue, sources=[Source(request_id=call.pk)], actor=queue.owner)
    return call


def pages(person: User, call: InferenceRequest) -> str:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    log = "admin:inference_inferencerequest"
    addresses = [reverse(f"{log}_changelist"), reverse(f"{log}_change", args=[call.pk])]
    addresses.append(reverse("admin:feedback_feedback_changelist"))
    found = [client.get(address) for address in addresses]
    assert [one.status_code for one in found] == [200] * len(found)
    return "".join(one.content.decode() for one in found)


def answers(person: User, call: InferenceRequest) -> list[Any]:
    """Give what each address of the API tells of the answer."""
    client, base = make_client(person), f"/api/v1/requests/{call.pk}"
    told = client.get(base).json()
    rows = client.get(f"{base}/predictions")
    one = client.get(f"/api/v1/predictions/{prediction_key(call.pk, 0)}")
    shadows = client.get(f"/api/v1/deployments/{call.deployment}/shadow-results").json()["results"]
    return [len(told["predictions"]), told["withheld"] is None, rows.status_code, one.status_code,
            [one["outputs"] for one in shadows]]  # fmt: skip


SHOWN: list[Any] = [1, True, 200, 200, [[{"label": SAID}]]]
HIDDEN: list[Any] = [0, False, 403, 403, [None]]


def test_answer_when_an_item_of_it_waits_for_ones_judgement_then_kept_back_at_every_door() -> None:
    queue, (person, other) = make_queue(), make_people(2)
    operator, auditor = make_user("operator"), make_user("auditor")
    call = queued(queue)
    ShadowResult.objects.create(
        created_at=call.created_at, request_id=call.pk, deployment=call.deployment, model="intent", version=2,
        live_version=1, rows=1, outputs=f'[{{"label": "{SAID}"}}]', latency_ms=1, live_latency_ms=1,
    )  # fmt: skip
    judged = find_target({"request_id": call.pk, "row": 0}, caller=None)
    give_feedback(judged=judged, person=person_of_user(operator), source="admin", said={"thumb": -1})
    assert [answers(one, call) for one in (person, operator, auditor)] == [HIDDEN, SHOWN, SHOWN]
    with translation.override("en"):
        seen = pages(person, call)
        assert SAID not in seen
        assert "kept back until you have judged" in seen
        assert SAID in pages(operator, call)
    for one in (person, other):
        item = next_item(queue=queue, reviewer=one)
        assert item is not None
        submit(item=item, reviewer=one, answer=SAID)
        assert answers(one, call) == SHOWN
        assert SAID in pages(one, call)


def test_answer_when_nothing_of_it_is_theirs_to_judge_then_shown() -> None:
    person, other = make_people(2)
    own = queued(make_queue("제 것"), user_id=person.pk)
    named = queued(make_queue("남의 것", reviewers=[other]))
    open_queue = queued(make_queue("열린 것", is_blind=False))
    client = make_client(person)
    told = [client.get(f"/api/v1/requests/{one.pk}").json()["withheld"] for one in (own, named, open_queue)]
    assert told == [None] * 3
    assert make_client(other).get(f"/api/v1/requests/{named.pk}").json()["withheld"]


def test_answer_when_what_waits_is_a_golden_copy_of_what_they_judged_then_shown() -> None:
    queue, (person, other) = make_queue(reviewers_per_item=1), make_people(2)
    call = queued(queue)
    item = next_item(queue=queue, reviewer=person)
    assert item is not None
    submit(item=item, reviewer=person, answer=SAID)
    make_golden(item=item, actor=queue.owner, answer=SAID)
    assert make_client(person).get(f"/api/v1/requests/{call.pk}").json()["withheld"] is None
    assert make_client(other).get(f"/api/v1/requests/{call.pk}").json()["withheld"]


def test_later_answer_when_its_call_waits_for_ones_judgement_then_kept_back() -> None:
    queue, (person,) = make_queue(), make_people(1)
    call = queued(queue)
    later = AsynchronousPrediction.objects.create(
        deployment=call.deployment, user_id=call.user_id or 0, state="succeeded", request_id=call.pk,
        result=f'{{"outputs": {{"label": ["{SAID}"]}}}}', caller="x", due_at=call.created_at,
        deadline_at=call.created_at, created_at=call.created_at, finished_at=call.created_at,
    )  # fmt: skip
    client = Client(headers={"accept-language": "en"})
    page = reverse("admin:inference_asynchronousprediction_change", args=[later.pk])
    client.force_login(person)
    assert SAID not in client.get(page).content.decode()
    client.force_login(make_user("operator"))
    assert SAID in client.get(page).content.decode()
