from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from common.ids import uuid7
from feedback.handles import handle_of
from feedback.models import Review, ReviewItem
from feedback.services.settling import make_golden
from tests.accounts.making import bearer, make_client, make_key, make_user, patch, post
from tests.feedback.reviewers import CHOICES, make_items, make_people, make_queue
from tests.inference.log_rows import make_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    return make_client(make_user("operator", username="운영"))


def reviewers(count: int) -> list[tuple[User, Client]]:
    return [(person, make_client(person)) for person in make_people(count)]


def take(client: Client, queue: str = "의도") -> Any:
    answer = post(client, f"review-queues/{queue}/next")
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_queue_when_made_filled_judged_and_settled_by_rest_then_the_whole_way(operator: Client) -> None:
    (first, one), (second, two) = reviewers(2)
    body = {"name": "의도", "deployment": "intent", "choices": CHOICES, "golden_percent": 0}
    made = post(operator, "review-queues", {**body, "reviewers": [first.username, second.username]})
    assert made.status_code == 201, made.content
    assert made.json()["reviewers"] == [first.username, second.username]
    assert post(operator, "review-queues", body).status_code == 409
    assert post(operator, "review-queues", {**body, "name": "x", "owner": "없음"}).json()["error"]["fields"]
    calls = [str(make_request().pk) for _ in range(2)]
    items = {"items": [{"request_id": call} for call in calls]}
    assert post(operator, "review-queues/의도/items", items).json() == {"added": 2}
    assert post(operator, "review-queues/의도/items", items).json() == {"added": 0}
    for client, answers in ((one, ["배송", "환불"]), (two, ["배송", "기타"])):
        for answer in answers:
            item = take(client)
            assert set(item) == {"id", "queue", "answer", "choices", "input", "output", "expires_at"}
            done = post(client, f"review-items/{item['id']}/review", {"answer": answer})
            assert done.status_code == 201, done.content
            again = post(client, f"review-items/{item['id']}/review", {"answer": answer})
            assert again.json()["id"] == done.json()["id"]
        assert take(client) == 204
    (disputed,) = operator.get("/api/v1/review-items?queue=의도&state=disputed").json()["results"]
    assert post(one, f"review-items/{disputed['id']}/settle", {"answer": "환불"}).status_code == 403
    settled = post(operator, f"review-items/{disputed['id']}/settle", {"answer": "환불", "note": "맞음"})
    assert (settled.json()["state"], settled.json()["final_answer"]) == ("settled", "환불")
    told = operator.get("/api/v1/review-queues/의도/statistics").json()
    assert (told["queue"]["done"], told["queue"]["agreement"]["raw"]) == (2, 0.5)
    assert [person["done"] for person in told["reviewers"]] == [2, 2]
    assert len(operator.get("/api/v1/reviews?queue=의도").json()["results"]) == 4
    assert len(one.get("/api/v1/reviews").json()["results"]) == 2
    assert patch(operator, "review-queues/의도", {"golden_percent": 10}).json()["golden_percent"] == 10
    assert operator.delete("/api/v1/review-queues/의도").status_code == 409
    assert post(operator, "review-queues/의도/close", {"reason": "끝"}).json()["is_open"] is False
    assert post(one, "review-queues/의도/next").json()["error"]["code"] == "queue_closed"


def test_blind_queue_when_looked_at_by_any_door_before_ones_review_then_nothing_sways(operator: Client) -> None:
    queue, boss = make_queue(reviewers_per_item=2), make_user("operator", username="반장")
    (item,) = make_items(queue, output={"label": "비밀답"})
    ReviewItem.objects.update(request_id=make_request().pk, reason="low_score", model="intent", version=3)
    (_first, one), (_second, two) = reviewers(2)
    handle = take(one)["id"]
    post(one, f"review-items/{handle}/review", {"answer": "환불", "note": "비밀메모"})
    assert take(two)["id"] == handle
    secret = ("비밀답", "비밀메모", "low_score", str(ReviewItem.objects.get().request_id), '"version":3')
    for client in (two, make_client(boss)):  # who may settle may review as well
        for address in ("review-items", f"review-items/{handle}", "reviews", f"reviews?item={handle}"):
            shown = client.get(f"/api/v1/{address}").content.decode()
            assert not [word for word in secret if word in shown], (address, shown)
    post(two, f"review-items/{handle}/review", {"answer": "환불"})
    after = two.get(f"/api/v1/review-items/{handle}").json()
    assert (after["output"], after["state"]) == ({"label": "비밀답"}, "agreed")
    assert "비밀답" in make_client(boss).get(f"/api/v1/review-items/{handle}").content.decode()
    assert item.pk


def test_reviews_when_a_blind_queue_has_not_decided_then_nobody_is_named_or_asked_for(operator: Client) -> None:
    queue = make_queue(reviewers_per_item=2)
    make_items(queue)
    (first, one), (_second, two) = reviewers(2)
    handle = take(one)["id"]
    post(one, f"review-items/{handle}/review", {"answer": "환불"})
    take(two)
    post(two, f"review-items/{handle}/review", {"answer": "배송"})

    def told(client: Client, query: str = "") -> list[Any]:
        return [said["reviewer"] for said in client.get(f"/api/v1/reviews?{query}").json()["results"]]

    assert told(operator) == [None, None]
    assert told(operator, f"reviewer={first.username}") == []
    assert told(one) == told(one, f"reviewer={first.username}") == [first.username]
    post(operator, f"review-items/{handle}/settle", {"answer": "환불"})
    assert told(operator, f"reviewer={first.username}") == [first.username]


def test_reviews_when_golden_items_are_hidden_then_these_name_nobody_either() -> None:
    queue, boss = make_queue(), make_user("operator")
    (item,) = make_items(queue)
    golden = make_golden(item=item, actor=queue.owner, answer="배송")
    for person in (boss, *make_people(1)):
        said = {"reviewer": person, "reviewer_name": person.username, "answer": "배송", "seconds": 1}
        Review.objects.create(item=golden, queue=queue, **said)
    _key, text = make_key(boss, "read")
    shown = Client(headers=bearer(text)).get("/api/v1/reviews").json()["results"]
    assert {said["reviewer"] for said in shown} == {None, boss.username}


def test_open_queue_when_not_blind_then_the_answer_is_shown() -> None:
    make_items(make_queue(is_blind=False))
    ((_person, client),) = reviewers(1)
    assert take(client)["output"] == {"label": "배송"}


def test_golden_item_when_before_a_reviewer_then_it_looks_like_any_other() -> None:
    queue = make_queue(golden_percent=50)
    items = make_items(queue, 40)
    golden = {handle_of(make_golden(item=item, actor=queue.owner, answer="배송").pk) for item in items[:4]}
    ((_person, client),) = reviewers(1)
    shapes, met = set(), set()
    while not (met & golden and met - golden):
        item = take(client)
        before = client.get(f"/api/v1/review-items/{item['id']}").json()
        said = post(client, f"review-items/{item['id']}/review", {"answer": "환불"}).json()
        after = client.get(f"/api/v1/review-items/{item['id']}").json()
        met.add(item["id"])
        told = [{**shown, "id": 0, "input": 0} for shown in (before, after)]
        shapes.add(json.dumps([told, said["is_right"], sorted(item)]))
    assert len(shapes) == 1, shapes
    assert not any(one["is_right"] for one in client.get("/api/v1/reviews").json()["results"])


def test_items_when_not_theirs_then_reviewers_cannot_find_or_judge_them_by_guessing() -> None:
    queue = make_queue()
    item, *_others = make_items(queue, 3)
    ((_person, client),) = reviewers(1)
    assert client.get("/api/v1/review-items").status_code == 403
    assert client.get(f"/api/v1/review-items/{handle_of(item.pk)}").status_code == 404
    for guess in (str(item.pk), f"{item.pk:016x}", "f" * 16, "x"):
        assert client.get(f"/api/v1/review-items/{guess}").status_code == 404
        assert post(client, f"review-items/{guess}/review", {"answer": "배송"}).status_code == 404
    for verb in ("settle", "leave-out", "take-back", "golden", "hand-over"):
        assert post(client, f"review-items/{handle_of(item.pk)}/{verb}", {}).status_code == 403


def test_item_when_handed_over_skipped_kept_and_flagged_then_as_said(operator: Client) -> None:
    queue = make_queue()
    make_items(queue, 2)
    (first, one), (second, two) = reviewers(2)
    handle = take(one)["id"]
    assert post(one, f"review-items/{handle}/keep").status_code == 204
    moved = {"reviewer": first.username, "to": second.username, "reason": "휴가"}
    assert post(operator, f"review-items/{handle}/hand-over", moved).status_code == 200
    assert post(operator, f"review-items/{handle}/hand-over", moved).status_code == 409
    assert take(two)["id"] == handle
    skipped = post(two, f"review-items/{handle}/skip", {"reason": "모호함"}).json()
    assert (skipped["state"], skipped["skip_reason"]) == ("skipped", "모호함")
    assert post(two, "review-queues/의도/undo").status_code == 400
    assert post(two, "review-queues/의도/undo", {"review": str(uuid7())}).status_code == 404
    assert post(two, "review-queues/의도/undo", {"review": skipped["id"]}).json()["id"] == handle
    again = post(two, "review-queues/의도/undo", {"review": skipped["id"]})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "undone_already")
    post(two, f"review-items/{handle}/review", {"answer": "배송"})
    assert post(two, f"review-items/{handle}/flag", {"note": "확인"}).json()["is_flagged"]
    assert post(one, f"review-items/{handle}/flag").status_code == 404


def test_key_when_for_other_deployments_then_it_finds_no_queue_and_makes_none() -> None:
    queue, boss = make_queue(deployment="intent"), make_user("operator", username="열쇠")
    (item,) = make_items(queue)
    call = make_request()
    other = Client(headers=bearer(make_key(boss, allowed_models=["numbers"])[1]))
    own = Client(headers=bearer(make_key(boss, allowed_models=["intent"])[1]))
    for address in ("review-queues/의도", f"review-items/{handle_of(item.pk)}"):
        assert (other.get(f"/api/v1/{address}").status_code, own.get(f"/api/v1/{address}").status_code) == (404, 200)
    assert post(other, f"review-items/{handle_of(item.pk)}/review", {"answer": "배송"}).status_code == 404
    assert post(other, "review-queues", {"name": "x", "choices": CHOICES}).status_code == 403
    assert patch(own, "review-queues/의도", {"deployment": "numbers"}).status_code == 403
    stranger = {"items": [{"request_id": str(make_request(deployment="numbers").pk)}, {"request_id": str(call.pk)}]}
    assert post(own, "review-queues/의도/items", stranger).json() == {"added": 1}


def test_preview_when_asked_then_counted_and_bad_rules_named(operator: Client) -> None:
    make_queue(deployment="intent")
    make_request()
    shown = post(operator, "review-queues/의도/preview", {"kind": "random", "values": {"percent": 100}})
    assert shown.json() == {"found": 1, "looked": 1, "is_whole": True}
    assert post(operator, "review-queues/의도/preview", {"kind": "x"}).status_code == 400
    refused = post(operator, "review-queues/의도/preview", {"kind": "random"}).json()["error"]
    assert list(refused["fields"]) == ["percent"]
