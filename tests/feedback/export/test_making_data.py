"""Reviewed items back into data: one action, one version, masked, without what is known already, with its lineage."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import uuid4

import orjson
import polars as pl
import pytest
from django.core.management import call_command
from django.utils import timezone

from common.errors import Invalid, NotFound
from datasets.lineage.graph import lineage_of
from datasets.models import DatasetVersion, PreprocessingJob
from datasets.services.imports import import_dataset, look_at
from feedback.gathering import finished_items, keys_of, reviewed_rows
from feedback.models import Review, ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.exporting import make_dataset_version, queues_named
from feedback.services.filling import add_items
from jobs.models import Job
from tests.accounts.making import make_client, make_user, post
from tests.admin.making import log_in
from tests.datasets.making import make_owner, make_version, rows_of
from tests.datasets.sources.importing import work
from tests.feedback.saying import make_call, say
from tests.feedback.saying import make_version as make_model_version

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = [
    "주문한 상품이 아직 도착하지 않았는데 언제 오는지 알려 주세요",
    "환불을 받고 싶은데 어떤 절차를 밟아야 하는지 궁금합니다",
    "결제 수단을 신용카드에서 계좌 이체로 바꾸고 싶습니다",
    "앱에 로그인이 되지 않아서 비밀번호를 다시 설정했습니다",
]


def make_queue(name: str = "배송 질문", answer: str = "label") -> ReviewQueue:
    return ReviewQueue.objects.create(name=name, answer=answer, choices=["delivery", "refund"])


def make_item(queue: ReviewQueue, text: Any, answers: Any = ("delivery", "delivery"), **more: Any) -> ReviewItem:
    """Give a finished item with its reviews."""
    fields = {
        "queue": queue, "source_key": uuid4().hex, "reason": "by_hand", "request_id": uuid4(), "model": "intent",
        "version": 3, "input": {"text": text}, "output": {"label": "refund", "score": 0.6}, "state": "agreed",
        "reviews_needed": 2, "reviews_done": len(answers), "final_answer": answers[0] if answers else "delivery",
        "finished_at": timezone.now(),
    } | more  # fmt: skip
    item = ReviewItem.objects.create(**fields)
    for number, answer in enumerate(answers):
        Review.objects.create(
            item=item, queue=queue, reviewer_name=f"r{number}", answer=answer, answer_key=str(answer), seconds=2.5,
            note="한참 생각함" if number else "",
        )  # fmt: skip
    return item


def make(queues: list[ReviewQueue], **more: Any) -> tuple[PreprocessingJob, DatasetVersion]:
    """Give the job that was done, and its version."""
    made = make_dataset_version(queues=queues, dataset="다시 배울 것", actor=make_owner(), **more)
    return made, work(made)


def test_version_of_a_queue_holds_its_finished_items_with_where_they_come_from() -> None:
    queue = make_queue()
    items = [make_item(queue, text) for text in TEXTS[:2]]
    make_item(queue, TEXTS[2], state="waiting", final_answer=None)
    make_item(queue, TEXTS[2], state="left_out")
    make_item(queue, TEXTS[3], is_golden=True, state="golden", final_answer=None)
    made, version = make([queue])
    assert (made.job.error, version.state, version.rows) == ("", "sealed", 2)
    rows = rows_of(version).to_dicts()
    assert [row["text"] for row in rows] == TEXTS[:2]
    assert [row["label"] for row in rows] == ["delivery", "delivery"]
    assert rows[0]["item"] == items[0].pk
    assert rows[0]["request"] == str(items[0].request_id)
    assert (rows[0]["queue"], rows[0]["model"], rows[0]["version"]) == ("배송 질문", "intent", 3)
    assert (rows[0]["model_answer"], rows[0]["agreement"], rows[0]["reviews"]) == ("refund", 1.0, 2)
    assert rows[0]["note"] == "한참 생각함"
    source = version.source
    assert source is not None
    assert (source.kind, source.options["asked"]["queues"]) == ("feedback", "배송 질문")
    assert made.job.result["dropped"] == {}


def test_picture_of_the_version_leads_back_to_its_queue_or_to_the_list_of_several() -> None:
    first, second = make_queue(), make_queue("환불 질문")
    for queue, text in zip((first, second), TEXTS, strict=False):
        make_item(queue, text)
    pages = []
    for queues in ([first], [first, second]):
        _made, version = make(queues)
        pages += [one.url for one in lineage_of(version).nodes.values() if one.kind == "source"]
    assert pages == [f"/admin/feedback/reviewqueue/{first.pk}/change/", "/admin/feedback/reviewqueue/"]
    client = log_in("administrator")
    assert ["배송 질문" in client.get(page).content.decode() for page in pages] == [True, True]


def test_agreement_when_too_little_leaves_items_out_and_tells_how_many() -> None:
    queue = make_queue()
    make_item(queue, TEXTS[0])
    make_item(queue, TEXTS[1], ("delivery", "refund"), state="settled")
    make_item(queue, TEXTS[2], ("delivery", "delivery", "refund"), state="settled")
    made, version = make([queue], least_agreement=0.6)
    assert version.rows == 2
    assert made.job.result["dropped"] == {"too_little_agreement": 1}
    assert make([queue], least_agreement=0.4)[1].rows == 3


def test_personal_data_is_masked_before_anything_is_written_unless_it_is_to_stay() -> None:
    queue = make_queue()
    make_item(queue, "제 번호는 010-1234-5678 이고 메일은 kim@example.com 입니다")
    made, version = make([queue])
    (row,) = rows_of(version).to_dicts()
    assert "010-1234-5678" not in json.dumps(row, ensure_ascii=False, default=str)
    assert "kim@example.com" not in row["text"]
    assert row["request"] == str(ReviewItem.objects.get().request_id)
    assert made.steps.get(number=0).report["masked"] == 2
    assert "010-1234-5678" in rows_of(make([queue], mask=False)[1])["text"][0]


def test_rows_when_known_already_go_and_the_last_of_equal_ones_stays() -> None:
    queue = make_queue()
    make_item(queue, TEXTS[0])
    make_item(queue, TEXTS[0], ("refund", "refund"))
    make_item(queue, TEXTS[1] + "!")
    make_item(queue, TEXTS[2])
    known = make_version(pl.DataFrame({"text": [TEXTS[1], "전혀 다른 말"], "label": ["refund", "refund"]}), "배운 것")
    made, version = make([queue], dedup_against=known)
    assert made.job.error == ""
    assert rows_of(version).select("text", "label").rows() == [(TEXTS[0], "refund"), (TEXTS[2], "delivery")]
    assert made.job.result["dropped"] == {"same_input": 1, "near_to_training": 1}
    states = list(made.steps.order_by("number").values_list("kind", "state", "rows_in", "rows_out"))
    assert states[1:3] == [("duplicates", "done", 4, 3), ("near_duplicates", "done", 3, 2)]


def test_splits_when_wanted_depend_on_the_inputs_alone() -> None:
    queue = make_queue()
    for number in range(60):
        make_item(queue, f"문장 {number} 번은 서로 다릅니다")
    shares = [("train", 80.0), ("test", 20.0)]
    first = make([queue], split=shares)[1]
    parts = {part.split: part.rows for part in first.parts.all()}
    assert parts.keys() == {"train", "test"}
    assert sum(parts.values()) == 60
    make_item(queue, "나중에 온 문장")
    second = make([queue], split=shares)[1]

    def tests_of(version: DatasetVersion) -> set[str]:
        texts = rows_of(version)["text"].to_list()
        return set(texts[-sum(part.rows for part in version.parts.filter(split="test")) :])

    assert tests_of(first) <= tests_of(second)


def test_inputs_of_other_kinds_become_columns_of_their_type() -> None:
    queue = make_queue(answer="rating")
    make_item(queue, [0.5, 1.0], (4, 4), input={"x": [0.5, 1.0], "label": "속", "n": 3.0}, output={"y": [1.0, 2.0]})
    make_item(queue, [2.0, 1.0], (5, 5), input={"x": [2.0, 1.0], "label": "겉", "n": "셋"})
    make_item(queue, None, (5, 5), input={"x": {"values_left_out": 9000}})
    made, version = make([queue])
    rows = rows_of(version)
    assert rows.schema["x"] == pl.List(pl.Float64)
    assert rows["rating"].to_list() == [4, 5]
    assert rows["input label"].to_list() == ["속", "겉"]
    assert rows["n"].to_list() == ["3.0", "셋"]
    assert made.job.result["dropped"] == {"no_input": 1}


def test_inputs_when_named_like_patterns_become_columns_that_are_none() -> None:
    queue = make_queue()
    make_item(queue, [1.0], input={"*": "별", "^x.*$": "무늬", "__row": 1})
    version = make([queue])[1]
    rows = rows_of(version)
    assert [rows[f"input {name}"].to_list() for name in ("*", "^x.*$", "__row")] == [["별"], ["무늬"], [1]]


def test_choices_when_they_cannot_be_name_the_field() -> None:
    queue, texts = make_queue(), make_queue("말", "text")
    make_item(queue, TEXTS[0])
    known = make_version(pl.DataFrame({"n": [1]}), "수")
    for wanted, field in (
        ({"queues": []}, "queues"),
        ({"queues": [queue, texts]}, "queues"),
        ({"queues": [texts]}, "queues"),
        ({"queues": [queue], "least_agreement": 1.5}, "least_agreement"),
        ({"queues": [queue], "least_agreement": float("nan")}, "least_agreement"),
        ({"queues": [queue], "likeness": 0.1}, "likeness"),
        ({"queues": [queue], "split": [("train", 50.0)]}, "shares"),
    ):
        with pytest.raises(Invalid) as error:
            make_dataset_version(**{"dataset": "x", "actor": make_owner(), **wanted})
        assert list(error.value.fields) == [field]
    with pytest.raises(NotFound):
        queues_named(["없음"])
    made, version = make([queue], dedup_against=known)
    assert (made.job.state, version.state) == ("failed", "writing")
    assert "text" in made.job.error
    made, _version = make([queue], dedup_against=make_version(pl.DataFrame({"text": [TEXTS[0]]}), "같은 것"))
    assert made.job.state == "failed"
    assert "near_to_training: 1" in made.job.error


def test_doors_make_the_same_version() -> None:
    queue, user = make_queue(), make_user("operator")
    make_item(queue, TEXTS[0])
    body = {"dataset": "문", "queues": [queue.name], "least_agreement": 0.5, "is_split": True}
    answer = post(make_client(user), "review-data", body)
    assert answer.status_code == 202, answer.content
    told = orjson.loads(answer.content)
    assert (told["dataset"], told["version"]) == ("문", 1)
    assert answer.headers["Location"].endswith(f"/preprocessing-jobs/{told['preprocessing_job']}")
    assert work(PreprocessingJob.objects.get(pk=told["preprocessing_job"])).rows == 1
    call_command("make_review_dataset", "문", "--no-wait", queue=[queue.name], user=user.username)
    assert work(PreprocessingJob.objects.latest("created_at")).number == 2
    for role in ("reviewer", "client", "auditor"):
        assert post(make_client(make_user(role)), "review-data", body).status_code == 403


def test_source_of_feedback_gives_reviewed_items_or_what_was_said_masked() -> None:
    queue, owner = make_queue(), make_owner()
    make_item(queue, "전화 010-1234-5678 로 주세요")
    look = look_at(kind="feedback", options={"queues": queue.name}, actor=owner)
    assert "text" in [column.name for column in look.kept_columns]
    made = import_dataset(dataset="검토", kind="feedback", options={"queues": queue.name}, actor=owner)
    version = work(made)
    assert made.job.error == ""
    (row,) = rows_of(version).to_dicts()
    assert ("010-1234-5678" in row["text"], row["label"]) == (False, "delivery")
    call = make_call(text="메일은 lee@example.com 입니다")
    say(call, thumb=-1, correction="환불", comment="아니요")
    say(make_call(text="다른 말"), thumb=1)
    made = import_dataset(dataset="말", kind="feedback", options={"deployment": "intent"}, actor=owner)
    rows = rows_of(work(made)).sort("thumb").to_dicts()
    assert [row["label"] for row in rows] == ["환불", "배송"]
    assert "lee@example.com" not in rows[0]["text"]
    assert (rows[0]["comment"], rows[0]["model_answer"]) == ("아니요", "배송")
    for options, field in (({}, "queues"), ({"queues": queue.name, "least_agreement": "2"}, "least_agreement")):
        with pytest.raises(Invalid) as error:
            look_at(kind="feedback", options=options, actor=owner)
        assert list(error.value.fields) == [field]
    assert Job.objects.filter(state="failed").count() == 0


def test_text_when_asked_by_generate_stands_in_the_column_of_its_input() -> None:
    version = make_model_version()
    for body in ({"text_input": TEXTS[0]}, {"inputs": {"text": [TEXTS[1]]}}):
        say(make_call(version, input=json.dumps(body)), thumb=1)
    made = import_dataset(dataset="글", kind="feedback", options={"deployment": "intent"}, actor=make_owner())
    assert rows_of(work(made))["text"].to_list() == TEXTS[:2]


def test_corrections_when_people_wrote_personal_data_are_masked_unless_it_is_to_stay() -> None:
    said = ["메일은 lee@example.com", {"이름": "김", "전화": "010-1234-5678"}]
    for one in said:
        say(make_call(text="말"), thumb=-1, correction=one)
    options = {"deployment": "intent"}
    masked = import_dataset(dataset="말", kind="feedback", options=options, actor=make_owner())
    labels = " ".join(rows_of(work(masked))["label"])
    assert "[" in labels
    assert not any(one in labels for one in ("lee@example.com", "010-1234-5678"))
    whole = import_dataset(dataset="글", kind="feedback", options={**options, "mask": "no"}, actor=make_owner())
    assert "010-1234-5678" in " ".join(rows_of(work(whole))["label"])


def test_items_when_left_out_after_their_keys_were_gathered_are_no_data() -> None:
    queue = make_queue()
    items = [make_item(queue, text) for text in TEXTS]
    keys, dropped = keys_of(finished_items([queue])), Counter[str]()
    ReviewItem.objects.filter(pk=items[0].pk).update(state="left_out")
    ReviewItem.objects.filter(pk=items[1].pk).update(state="golden", is_golden=True)
    items[2].delete()
    rows = list(reviewed_rows(keys, least_agreement=0, dropped=dropped))
    assert [row["text"] for row in rows] == [TEXTS[3]]
    assert dropped == {"not_finished": 3}


def test_whole_numbers_and_truths_stay_what_they_are() -> None:
    queue, large = make_queue(), 1 << 53
    inputs = [
        {"id": large, "is_new": True, "n": 1, "hash": 5, "xs": [large, 1], "holes": [1, None]},
        {"id": large + 1, "is_new": False, "n": 0.5, "hash": (1 << 64) - 1, "xs": [large + 1, 1], "holes": None},
    ]
    for one in inputs:
        make_item(queue, None, input=one)
    made, version = make([queue])
    assert made.job.error == ""
    rows = rows_of(version)
    assert rows["id"].to_list() == [large, large + 1]
    assert rows["is_new"].to_list() == [True, False]
    assert rows["n"].to_list() == [1.0, 0.5]
    assert rows["hash"].to_list() == ["5", "18446744073709551615"]
    assert rows["xs"].to_list() == [[large, 1], [large + 1, 1]]
    assert rows["holes"].to_list() == ["[1, null]", None]
    types = {one["name"]: one["type"] for one in version.columns}
    assert (types["id"], types["is_new"], types["xs"]) == ("integer", "truth", "list[integer]")


def test_whole_numbers_of_calls_come_into_review_and_data_as_they_were_sent() -> None:
    queue, large = make_queue(), (1 << 53) + 1
    body = {"inputs": [{"name": "id", "datatype": "INT64", "shape": [1], "data": [large]}]}
    call = make_call(text="", input=json.dumps(body))
    add_items(queue=queue, sources=[Source(call.pk)], actor=make_owner())
    assert queue.items.get().input == {"id": large}
    say(call, thumb=1)
    made = import_dataset(dataset="수", kind="feedback", options={"deployment": "intent"}, actor=make_owner())
    assert rows_of(work(made))["id"].to_list() == [large]


def test_texts_when_cut_are_no_data_and_are_told_apart() -> None:
    queue = make_queue()
    texts = ["가" * 20_000, *("가" * 20_000 + end for end in ("나", "다")), [["말", "가" * 30_000]]]
    sources = [Source(key=str(place), input={"text": text}) for place, text in enumerate(texts)]
    add_items(queue=queue, sources=sources, actor=make_owner())
    queue.items.update(state="agreed", final_answer="delivery", finished_at=timezone.now())
    make_item(queue, "가" * 20_000 + "…")  # as texts were cut before
    made, version = make([queue])
    assert made.job.result["dropped"] == {"cut_text": 4}
    assert rows_of(version)["text"].to_list() == texts[:1]
