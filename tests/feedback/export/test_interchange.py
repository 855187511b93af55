"""Items for Label Studio and Argilla in their published forms, and answers coming back from there."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from common.errors import Invalid
from feedback.handles import handle_of
from feedback.interchange import argilla, label_studio
from feedback.interchange.forms import Exchanged
from feedback.models import ReviewItem, ReviewQueue
from files.models import StoredFile
from files.services import open_blob
from jobs.models import Job
from jobs.runner import run_job
from tests.accounts.making import make_client, make_user, post
from tests.feedback.export.test_making_data import make_item, make_queue
from tests.feedback.saying import make_upload

ITEM = Exchanged(
    "00ff", "label", {"text": "안녕", "n": [1, 2]}, model="intent v1", model_answer="a", score=0.5,
    answers=[("b", 3.0)], final="b", facts={"queue": "q", "request": None},
)  # fmt: skip


def test_task_has_the_form_of_label_studio() -> None:
    task = label_studio.task_of(ITEM)
    assert task["data"] == {"text": "안녕", "n": "[1, 2]", "flueman_item": "00ff"}
    result = {"from_name": "answer", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
    assert task["predictions"] == [{"model_version": "intent v1", "score": 0.5, "result": [result]}]
    (annotation,) = task["annotations"]
    assert (annotation["was_cancelled"], annotation["ground_truth"], annotation["lead_time"]) == (False, True, 3.0)
    assert annotation["result"][0]["value"] == {"choices": ["b"]}


@pytest.mark.parametrize(
    ("kind", "answer"), [("label", "a"), ("labels", ["a", "b"]), ("labels", []), ("text", "긴 말"), ("rating", 4)]
)
def test_task_when_read_back_gives_the_answers(kind: str, answer: Any) -> None:
    item = Exchanged("00ff", kind, {"text": "안녕"}, answers=[(answer, 1.0), (answer, 2.0)])
    task = json.loads(json.dumps(label_studio.task_of(item)))
    assert label_studio.read_task(task, kind) == ("00ff", [answer, answer], False)
    record = json.loads(json.dumps(argilla.record_of(item)))
    record["responses"] = {"answer": [{"value": answer, "user_id": "x"}]}
    assert argilla.read_record(record, kind) == ("00ff", [answer], False)


def test_task_when_it_was_decided_then_the_decision_is_its_one_annotation() -> None:
    item = Exchanged("00ff", "label", {"text": "안녕"}, answers=[("a", 1.0), ("b", 2.0)], final="b")
    (annotation,) = label_studio.task_of(item)["annotations"]
    assert (annotation["result"][0]["value"], annotation["lead_time"]) == ({"choices": ["b"]}, 3.0)


def test_configuration_is_xml_whatever_the_labels_are() -> None:
    for kind in ("label", "labels", "text", "rating"):
        view = ElementTree.fromstring(label_studio.label_config(['te"xt', "n"], kind, ["<a>", '"b"', "한&글"]))
        assert [child.get("name") for child in view][:2] == ['te"xt', "n"]
    view = ElementTree.fromstring(label_studio.label_config(["text"], "label", ["<a>", '"b"']))
    assert [choice.get("value") for choice in view.iter("Choice")] == ["<a>", '"b"']


def test_record_has_the_form_of_argilla() -> None:
    record = argilla.record_of(ITEM)
    assert record.keys() == {"id", "fields", "metadata", "suggestions", "responses", "vectors", "_server_id"}
    assert record["suggestions"] == {"answer": {"value": "b", "score": None, "agent": "reviewers"}}
    assert record["metadata"] == {"queue": "q"}
    unjudged = argilla.record_of(Exchanged("1", "label", {"text": "a"}, "m v1", "x", 0.25))
    assert unjudged["suggestions"]["answer"] == {"value": "x", "score": 0.25, "agent": "m v1"}


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"data": []},
        {"data": {}},
        {"data": {"flueman_item": 5}},
        {"data": {"flueman_item": "a"}, "annotations": {}},
        {"data": {"flueman_item": "a"}, "annotations": ["x"]},
        {"data": {"flueman_item": "a"}, "annotations": [{"result": "x"}]},
        {"data": {"flueman_item": "a"}, "annotations": [{"result": [{"from_name": "answer", "type": "rating"}]}]},
        {"data": {"flueman_item": "a"}, "annotations": [{"result": [
            {"from_name": "answer", "type": "choices", "value": {"choices": ["a", "b"]}}]}]},
    ],
)  # fmt: skip
def test_task_when_it_is_none_is_refused(task: Any) -> None:
    with pytest.raises(Invalid):
        label_studio.read_task(task, "label")


@pytest.mark.parametrize(
    "record", [{}, {"id": 1}, {"id": "a", "responses": []}, {"id": "a", "responses": {"answer": [1]}}]
)
def test_record_when_it_is_none_is_refused(record: Any) -> None:
    with pytest.raises(Invalid):
        argilla.read_record(record, "label")


def run(answer: Any) -> dict[str, Any]:
    """Do the job that was begun, and give its result."""
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(pk=orjson.loads(answer.content)["job"])
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.error == ""
    return dict(job.result)


def exported(client: Any, queue: ReviewQueue, **more: Any) -> list[Any]:
    told = run(post(client, "review-data/export", {"queue": queue.name, **more}))
    with open_blob(StoredFile.objects.get(pk=told["file"]).blob) as stream:
        return list(json.loads(stream.read()))


def annotation(label: str) -> Any:
    said = {"from_name": "answer", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    return {"result": [said], "was_cancelled": False}


def imported(client: Any, queue: ReviewQueue, tasks: list[Any], user: Any) -> dict[str, Any]:
    file = make_upload(json.dumps(tasks), "tasks.json", user)
    return run(post(client, "review-data/import", {"queue": queue.name, "tool": "label_studio", "file": str(file.pk)}))


@pytest.mark.django_db(transaction=True)
def test_open_items_when_exported_and_brought_back_unchanged_then_stay_open() -> None:
    queue, user = make_queue(), make_user("operator")
    waiting = make_item(queue, "하나", ("refund",), state="waiting", final_answer=None)
    disputed = make_item(queue, "둘", ("refund", "delivery"), state="disputed", final_answer=None)
    settled = make_item(queue, "셋", ("refund", "delivery"), state="settled", final_answer="delivery")
    client = make_client(user)
    tasks = exported(client, queue, tool="label_studio")
    assert [len(task["annotations"]) for task in tasks] == [0, 0, 1]
    told = imported(client, queue, tasks, user)
    assert (told["settled"], told["same"], told["unanswered"], told["set_aside"]) == (0, 1, 2, 0)
    tasks[0]["annotations"] = tasks[1]["annotations"] = [annotation("refund")]
    assert imported(client, queue, tasks, user)["settled"] == 2
    states = [ReviewItem.objects.get(pk=item.pk).state for item in (waiting, disputed, settled)]
    assert states == ["settled"] * 3


@pytest.mark.django_db(transaction=True)
def test_import_when_the_file_holds_reviews_of_open_items_then_only_answers_from_elsewhere_count() -> None:
    queue, user = make_queue(), make_user("operator")
    waiting = make_item(queue, "하나", ("refund",), state="waiting", final_answer=None)
    disputed = make_item(queue, "둘", ("refund", "delivery"), state="disputed", final_answer=None)

    def task(item: ReviewItem, *labels: str) -> Any:
        data = {"text": "하나", "flueman_item": handle_of(item.pk)}
        return {"data": data, "meta": {"state": item.state}, "annotations": [annotation(label) for label in labels]}

    sent = [task(waiting, "refund"), task(disputed, "refund", "delivery", "refund")]
    told = imported(make_client(user), queue, sent, user)
    assert (told["settled"], told["unanswered"], told["set_aside"]) == (1, 1, 0)
    assert ReviewItem.objects.get(pk=waiting.pk).state == "waiting"
    assert ReviewItem.objects.get(pk=disputed.pk).final_answer == "refund"


@pytest.mark.django_db(transaction=True)
def test_export_when_a_blind_queue_hides_an_item_then_neither_its_answer_nor_its_call_goes_out() -> None:
    queue, user = make_queue(), make_user("operator")
    hidden = make_item(queue, "하나", ("refund",), state="waiting", final_answer=None)
    judged = make_item(queue, "둘", ("refund",), state="waiting", final_answer=None)
    judged.reviews.update(reviewer=user)
    make_item(queue, "셋")
    tasks = exported(make_client(user), queue, tool="label_studio")
    assert ["predictions" in task for task in tasks] == [False, True, True]
    assert tasks[0]["meta"]["request"] is None
    assert str(hidden.request_id) not in json.dumps(tasks)
    assert tasks[1]["meta"]["request"] == str(judged.request_id)
    queue.reviewers.add(make_user("reviewer"))  # it is for others: nothing of it will come before the operator
    assert "predictions" in exported(make_client(user), queue, tool="label_studio")[0]


@pytest.mark.django_db(transaction=True)
def test_items_when_exported_and_answered_elsewhere_are_settled_here() -> None:
    queue, user = make_queue(), make_user("operator")
    ReviewQueue.objects.update(is_blind=False)
    waiting = [make_item(queue, f"문장 {n}", (), state="waiting", final_answer=None) for n in range(4)]
    done = make_item(queue, "다 된 것")
    make_item(queue, "금", (), state="golden", is_golden=True, final_answer=None)
    make_item(queue, "뺀 것", (), state="left_out")
    client = make_client(user)
    tasks = exported(client, queue, tool="label_studio")
    assert [task["data"]["flueman_item"] for task in tasks] == [handle_of(item.pk) for item in (*waiting, done)]
    assert all("predictions" in task for task in tasks)
    blind = exported(client, queue, tool="argilla", has_answers=False)
    assert all(not record["suggestions"] and "state" not in record["metadata"] for record in blind)

    def annotated(task: Any, *labels: str) -> Any:
        return {**task, "id": 7, "annotations": [annotation(label) for label in labels]}

    sent = [
        annotated(tasks[0], "refund", "refund"),
        annotated(tasks[1], "refund", "delivery"),
        annotated(tasks[2], "no such label"),
        annotated(tasks[3]),
        annotated(tasks[4], "refund"),
        {**tasks[0], "data": {"flueman_item": "f" * 16}},
        5,
    ]
    file = make_upload(json.dumps(sent), "tasks.json", user)
    body = {"queue": queue.name, "tool": "label_studio", "file": str(file.pk)}
    told = run(post(client, "review-data/import", body))
    assert {name: told[name] for name in ("settled", "same", "unanswered", "set_aside")} == {
        "settled": 1, "same": 0, "unanswered": 1, "set_aside": 5,
    }  # fmt: skip
    item = ReviewItem.objects.get(pk=waiting[0].pk)
    assert (item.state, item.final_answer, item.settled_by) == ("settled", "refund", user)
    assert run(post(client, "review-data/import", body))["same"] == 1
    assert ReviewItem.objects.get(pk=done.pk).final_answer == "delivery"
    for role in ("reviewer", "client", "auditor"):
        assert post(make_client(make_user(role)), "review-data/import", body).status_code == 403
