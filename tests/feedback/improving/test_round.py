"""Once round the loop on real rows: each step ends as its service leaves it, and the next one is named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from accounts.models import User
from common.onlooker import Onlooker
from datasets.models import DatasetVersion
from feedback.improving.shown import improvement_of
from feedback.models import ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.exporting import make_dataset_version
from feedback.services.filling import add_items
from feedback.services.settling import settle
from inference.models import Deployment, RouteTally
from inference.services import deploy, promote, rollback, stop_canary
from inference.traffic.judging import Counts
from registry.models import ModelVersion, TrainingData
from registry.services import carry_out, decide, request_approval
from registry.services.gates import set_policy
from tests.accounts.making import make_user
from tests.datasets.sources.importing import work
from tests.feedback.reviewers import judge, make_people, make_queue
from tests.feedback.saying import make_call, say
from tests.inference.evaluating.making import beside, evaluate, make_model_version, make_rows

pytestmark = pytest.mark.django_db(transaction=True)
LABELS = ["배송", "환불", "기타"]


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with translation.override("en"):
        yield


def stands(model: Any, reader: User) -> dict[str, Any]:
    return improvement_of(model, Onlooker(reader))  # type: ignore[arg-type]


def next_of(model: Any, reader: User) -> str:
    """Give step, verb and code of what is next; that it leads somewhere is tested by opening it."""
    found = stands(model, reader)
    step = next(one for one in found["steps"] if one["name"] == found["next"]["step"])
    return f"{step['name']} {step['code']} {(step['action'] or {}).get('verb', '')}"


def wrong_answers(version: ModelVersion, count: int) -> list[Any]:
    calls = [make_call(version, text=f"문장 {number}") for number in range(count)]
    return [say(call, f"user:{number}", thumb=-1).feedback for number, call in enumerate(calls)]


def into(queue: ReviewQueue, said: list[Any], actor: User) -> None:
    add_items(queue=queue, sources=[Source(one.request_id, one.row, one.pk) for one in said], actor=actor)


def review_all(queue: ReviewQueue, count: int) -> None:
    """Have two people judge all, not alike about the last one they see in common."""
    first, second = make_people(2)
    judge(queue, first, [LABELS[0]] * count)
    judge(queue, second, [LABELS[0]] * (count - 1) + [LABELS[1]])


def tally(deployment: Deployment, requests: int) -> None:
    """Count calls on both sides of a canary."""
    route = deployment.routes.get(kind="canary")
    side = Counts(requests=requests, latency={"10": requests}).as_dict()  # type: ignore[arg-type]
    RouteTally.objects.create(route=route, process=make_id(), counts={"canary": side, "live": side})


def make_id() -> Any:
    from uuid import uuid4

    return uuid4()


def test_loop_when_gone_round_then_each_step_names_the_next_one() -> None:
    operator, judge_person = make_user("operator"), make_user("operator")
    live = make_model_version()
    model = live.model
    assert next_of(model, operator) == "answers no_deployment deploy"
    deployment = deploy(name="intent", version=live, actor=operator)
    assert next_of(model, operator) == "answers no_calls try"
    make_call(live)
    assert next_of(model, operator) == "queue no_queue make_queue"

    # steps 1 to 3: said, put into a queue, judged, settled
    said = wrong_answers(live, 4)
    assert next_of(model, operator) == "queue open make_queue"
    queue = make_queue("의도", operator, deployment="intent", choices=LABELS)
    assert next_of(model, operator) == "queue open put_into_review"
    into(queue, said, operator)
    assert next_of(model, operator) == "review waiting review"
    review_all(queue, 4)
    assert next_of(model, operator) == "review disputed settle"
    settle(item=ReviewItem.objects.get(state="disputed"), actor=operator, answer=LABELS[1])

    # steps 4 and 5: data, and a version that was trained on it
    assert next_of(model, operator) == "data fresh make_data"
    made = make_dataset_version(queues=[queue], dataset="다시 배울 것", actor=operator)
    assert next_of(model, operator) == "data writing see_data"
    data = work(made)
    assert data.state == "sealed"
    assert next_of(model, operator) == "train unused upload"
    assert "'다시 배울 것:1'" in stands(model, operator)["commands"][0]
    tried = make_model_version()
    TrainingData.objects.create(version=tried, dataset_version=data)

    # step 6: evaluated as the gate asks, and surely better
    exam, right = make_rows(dataset="시험")
    rule = {"kind": "live", "dataset": str(exam.dataset_id), "metric": "accuracy"}
    plan = {"steps": [10, 50, 100], "step_minutes": 5, "min_requests": 50}
    set_policy(model=model, requirements=[rule], approvals=1, canary_plan=plan, actor=make_user("administrator"))
    assert next_of(model, operator) == "evaluate missing run_missing"
    before = evaluate(live, exam, right, 0.6)
    beside(evaluate(tried, exam, right, 0.95, seed=2), before)

    # step 7: others agree
    assert next_of(model, operator) == "gate to_ask ask"
    asked = request_approval(version=tried, deployment="intent", actor=operator)
    assert next_of(model, operator) == "gate asked decide"
    own, other = (stands(model, one)["next"]["action"] for one in (operator, judge_person))
    assert (own["is_allowed"], own["url"], other["is_allowed"]) == (False, "", True)
    assert "somebody else decides" in own["who"]
    decide(request=asked, actor=judge_person, verdict="approve")
    assert next_of(model, operator) == "serve ready carry_out"

    # step 8: a canary by the plan, live in the end, and the score before and after
    carry_out(request=asked, actor=operator)
    assert next_of(model, operator) == "serve canary_watching see_traffic"
    tally(deployment, 100)
    assert next_of(model, operator) == "serve canary_good see_traffic"
    deployment.routes.filter(kind="canary").update(guard={**plan, "steps": []})
    assert next_of(model, operator) == "serve good promote"
    promote(deployment=deployment, version=tried, actor=operator)
    found = stands(model, operator)
    assert [one["state"] for one in found["steps"]] == ["going_on", *["done"] * 7]
    assert found["next"]["action"]["verb"] == "watch"
    assert "before" in found["round"]
    assert f"v{tried.number}" in found["round"]

    # and again
    wrong_answers(tried, 2)
    assert next_of(model, operator) == "queue open put_into_review"


def test_loop_when_a_new_version_comes_to_a_bad_end_then_it_says_so_and_earlier_work_comes_first() -> None:
    operator = make_user("operator")
    live = make_model_version()
    deployment = deploy(name="intent", version=live, actor=operator)
    make_call(live)
    make_queue("의도", operator, deployment="intent", choices=LABELS)
    tried = make_model_version()
    exam, right = make_rows(dataset="시험")
    found = beside(evaluate(tried, exam, right, 0.2, seed=2), evaluate(live, exam, right, 0.95))
    assert next_of(live.model, operator) == "evaluate worse see_evaluation"
    found.delete()
    evaluate(tried, exam, right, 0.9)
    assert next_of(live.model, operator) == "serve ready start_canary"

    from inference.services import start_canary

    route = start_canary(deployment=deployment, version=tried, weight=10, actor=operator)
    stop_canary(route=route, data={"reason": {"code": "drift_labels", "index": 0.6, "limit": 0.25, "noise": 0.0}})
    told = stands(live.model, operator)
    assert next_of(live.model, operator) == "serve stopped see_traffic"
    assert "labels are others" in told["headline"]
    wrong_answers(live, 1)
    assert next_of(live.model, operator) == "queue open put_into_review"

    start_canary(deployment=deployment, version=tried, weight=10, actor=operator)
    assert next_of(live.model, operator) == "serve canary_watching see_traffic"
    promote(deployment=deployment, version=tried, actor=operator)
    rollback(deployment=deployment, actor=operator, reason="callers complain")
    step = stands(live.model, operator)["steps"][-1]
    assert (step["code"], "callers complain" in step["words"]) == ("rolled_back", True)


def make_reviewed(operator: User, count: int) -> tuple[ModelVersion, ReviewQueue, DatasetVersion]:
    """Give a version in service, a queue of wrong answers that are all decided, and the data made of them."""
    live = make_model_version()
    deploy(name="intent", version=live, actor=operator)
    queue = make_queue("의도", operator, deployment="intent", choices=LABELS)
    decide_all(queue, live, count, operator)
    return live, queue, work(make_dataset_version(queues=[queue], dataset="다시 배울 것", actor=operator))


def decide_all(queue: ReviewQueue, live: ModelVersion, count: int, operator: User) -> None:
    """Put wrong answers into a queue, have them judged, and settle the one that is disputed."""
    into(queue, wrong_answers(live, count), operator)
    review_all(queue, count)
    settle(item=ReviewItem.objects.get(state="disputed"), actor=operator, answer=LABELS[1])


def test_data_when_items_are_decided_after_it_was_made_then_only_these_are_fresh() -> None:
    operator = make_user("operator")
    live, queue, data = make_reviewed(operator, 3)
    step = stands(live.model, operator)["steps"][3]
    assert [(one["name"], one["value"]) for one in step["figures"]] == [("fresh", 0), ("rows", data.rows)]
    decide_all(queue, live, 2, operator)
    step = stands(live.model, operator)["steps"][3]
    assert (step["code"], step["figures"][0]["value"]) == ("fresh", 2)


def test_data_when_a_version_was_trained_on_what_a_recipe_made_of_it_then_it_is_used() -> None:
    operator = make_user("operator")
    live, _queue, data = make_reviewed(operator, 2)
    child, _right = make_rows(dataset="섞은 것")
    DatasetVersion.objects.filter(pk=child.pk).update(parent=data)
    ModelVersion.objects.filter(pk=live.pk).update(created_at=timezone.now() - timedelta(days=1))
    assert stands(live.model, operator)["steps"][4]["code"] == "unused"
    TrainingData.objects.create(version=make_model_version(), dataset_version=child)
    step = stands(live.model, operator)["steps"][4]
    assert (step["code"], "섞은 것 v1" in step["words"]) == ("named", True)
