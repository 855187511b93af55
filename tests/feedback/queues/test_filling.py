from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.ids import uuid7_floor
from feedback.models import Feedback, ReviewQueue
from feedback.services.filling import fill_queue, fill_queues, preview
from feedback.services.queues import change_queue, close_queue
from inference.models import InferenceRequest, Prediction, ShadowResult
from tests.feedback.reviewers import make_queue
from tests.feedback.saying import say
from tests.inference.log_rows import key_at, make_many, make_prediction, make_request

pytestmark = pytest.mark.django_db
AGO = timedelta(minutes=5)


def filled(rule: dict[str, Any], **fields: Any) -> ReviewQueue:
    queue = make_queue(rules=[rule], **fields)
    fill_queue(queue=queue)
    queue.refresh_from_db()
    return queue


def rows_in(queue: ReviewQueue) -> list[tuple[Any, int]]:
    return list(queue.items.order_by("id").values_list("request_id", "row"))


def settle_down() -> None:
    """Let what was said just now be old enough to be looked at."""
    Feedback.objects.update(updated_at=timezone.now() - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("rule", "said", "other"),
    [
        ({"kind": "thumbs_down"}, {"thumb": -1}, {"thumb": 1}),
        ({"kind": "low_rating", "at_most": 2}, {"rating": 2}, {"rating": 3}),
        ({"kind": "corrected"}, {"correction": "환불"}, {"comment": "음"}),
    ],
)
def test_rules_on_feedback_when_said_then_in_the_queue_once_with_the_feedback(
    rule: dict[str, Any], said: dict[str, Any], other: dict[str, Any]
) -> None:
    wanted, left = make_request(), make_request()
    given = say(wanted, **said).feedback
    say(wanted, person="user:2", **said)
    say(left, **other)
    settle_down()
    queue = filled({**rule, "priority": 7})
    (item,) = queue.items.all()
    assert (item.request_id, item.reason, item.priority) == (wanted.pk, rule["kind"], 7)
    assert item.feedback_id in {given.pk, *Feedback.objects.values_list("pk", flat=True)}
    assert fill_queue(queue=queue) == 0


def test_thumb_when_it_turns_down_later_then_it_is_seen() -> None:
    call = make_request()
    say(call, thumb=1)
    settle_down()
    queue = filled({"kind": "thumbs_down"})
    assert rows_in(queue) == []
    say(call, thumb=-1)
    Feedback.objects.update(updated_at=timezone.now() - timedelta(seconds=20))
    assert fill_queues() == {queue.name: 1}


def test_low_score_when_below_or_close_then_each_row_by_itself() -> None:
    sure = make_request(age=AGO)
    doubtful = make_request(age=AGO, rows=3)
    make_prediction(doubtful, 1, score=0.3)
    close = {"label": "배송", "score": 0.6, "scores": [0.6, 0.55, 0.1]}
    make_prediction(doubtful, 2, score=0.6, output=orjson.dumps(close).decode())
    make_request(age=AGO, status=500)
    make_request(age=AGO, deployment="other")
    Prediction.objects.filter(request__deployment="other").update(score=0.1)
    assert rows_in(filled({"kind": "low_score", "below": 0.5}, deployment="intent")) == [(doubtful.pk, 1)]
    both = filled({"kind": "low_score", "below": 0.5, "margin": 0.1}, name="둘", deployment="intent")
    assert rows_in(both) == [(doubtful.pk, 1), (doubtful.pk, 2)]
    assert sure.pk not in dict(rows_in(both))


def test_random_sample_when_drawn_then_its_share_and_the_same_each_time() -> None:
    make_many(2000)
    first = filled({"kind": "random", "percent": 10, "most_per_day": 1000})
    assert first.items.count() == 0  # no predictions, nothing to judge
    Prediction.objects.bulk_create(
        Prediction(id=key_after(call.pk), request=call, row=0, output="{}", label="배송")
        for call in InferenceRequest.objects.all()
    )
    queues = [filled({"kind": "random", "percent": 10, "most_per_day": 1000}, name=name) for name in "가나"]
    assert 140 < queues[0].items.count() < 260
    assert set(rows_in(queues[0])) == set(rows_in(queues[1]))
    shown = preview(kind="random", values={"percent": 10})
    assert (shown.found, shown.looked, shown.is_whole) == (queues[0].items.count(), 2000, True)


def key_after(key: Any) -> Any:
    from inference.models import prediction_key

    return prediction_key(key, 0)


def test_disagreement_when_a_shadow_answered_otherwise_then_the_rows_that_differ() -> None:
    one, many, same = (make_request(age=AGO, rows=rows) for rows in (1, 2, 1))
    make_prediction(many, 1, label="환불")
    fields = {
        "created_at": timezone.now(), "deployment": "intent", "model": "intent", "version": 2, "live_version": 1,
        "rows": 1, "latency_ms": 1, "live_latency_ms": 1,
    }  # fmt: skip
    shadows = [
        (one, 0.0, [{"label": "기타"}]),
        (many, 0.5, [{"label": "배송"}, {"label": "기타"}]),
        (same, 1.0, [{"label": "배송"}]),
    ]
    for place, (call, share, outputs) in enumerate(shadows):
        key = key_at(timezone.now() - AGO, place)
        ShadowResult.objects.create(
            id=key, request_id=call.pk, same_labels=share, outputs=orjson.dumps(outputs).decode(), **fields
        )
    assert rows_in(filled({"kind": "disagreement"}, deployment="intent")) == [(one.pk, 0), (many.pk, 1)]


def test_disagreement_when_numbers_are_apart_then_the_rows_that_differ_by_so_much() -> None:
    call = make_request(age=AGO, rows=3)
    for row, value in enumerate([1.0, 2.0, 3.0]):
        Prediction.objects.filter(request=call, row=row).delete()
        make_prediction(call, row, label="", score=None, output=orjson.dumps({"y": value, "z": [value, 1]}).decode())
    theirs = [{"y": 1.0, "z": [1.05, 1]}, {"y": 2.5, "z": [2.0, 1]}, {"y": 3.0, "z": [3.0, 9]}]
    ShadowResult.objects.create(
        id=key_at(timezone.now() - AGO), request_id=call.pk, difference=8.0, outputs=orjson.dumps(theirs).decode(),
        created_at=timezone.now(), deployment="intent", model="intent", version=2, live_version=1, rows=3, latency_ms=1,
        live_latency_ms=1,
    )  # fmt: skip
    queue = filled({"kind": "disagreement", "difference": 0.2}, deployment="intent")
    assert rows_in(queue) == [(call.pk, 1), (call.pk, 2)]


def test_filling_when_there_is_a_most_a_day_then_no_more_and_the_rest_is_passed_over() -> None:
    calls = [make_request(age=AGO) for _ in range(5)]
    queue = filled({"kind": "random", "percent": 100, "most_per_day": 3})
    assert len(rows_in(queue)) == 3
    make_request(age=AGO)
    assert fill_queue(queue=queue) == 0
    ReviewQueue.objects.update(
        filled_until={key: {**told, "day": "2020-01-01"} for key, told in queue.filled_until.items()}
    )
    queue.refresh_from_db()
    new = make_request(age=timedelta(minutes=3))
    assert fill_queue(queue=queue) == 1
    assert rows_in(queue)[-1] == (new.pk, 0)
    assert calls


def test_filling_when_stopped_or_done_by_two_then_it_goes_on_and_nothing_comes_twice() -> None:
    for _ in range(4):
        make_request(age=AGO)
    queue = make_queue(rules=[{"kind": "random", "percent": 100}])
    stale = ReviewQueue.objects.get(pk=queue.pk)
    assert fill_queue(queue=queue, seconds=0) == 4  # at least one piece a turn
    assert fill_queue(queue=stale) == 0  # believes that nothing was looked at yet
    queue.refresh_from_db()
    position = next(iter(queue.filled_until.values()))["after"]
    assert position > str(uuid7_floor(0))
    change_queue(
        queue=queue, actor=queue.owner, rules=[{"kind": "random", "percent": 100}]
    )  # a new one, from a day ago
    queue.refresh_from_db()
    assert fill_queue(queue=queue) == 0
    queue.refresh_from_db()
    assert set(queue.filled_until) == {queue.rules[0]["id"]}


def test_filling_when_a_queue_is_closed_or_calls_are_fresh_then_nothing() -> None:
    make_request()
    assert rows_in(filled({"kind": "random", "percent": 100})) == []  # it may not be whole yet
    make_request(age=AGO)
    queue = ReviewQueue.objects.get()
    close_queue(queue=queue, actor=queue.owner)
    assert fill_queues() == {}
    assert fill_queue(queue=queue) == 0


def test_filling_when_calls_are_many_then_few_queries() -> None:
    made = make_many(400)
    Prediction.objects.bulk_create(
        Prediction(id=key_after(call.pk), request=call, row=0, output="{}", label="배송") for call in made
    )
    queue = make_queue(rules=[{"kind": "random", "percent": 100, "most_per_day": 1000}])
    with CaptureQueriesContext(connection) as queries:
        assert fill_queue(queue=queue) == 400
    assert len(queries) < 40
