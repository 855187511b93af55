from __future__ import annotations

from typing import Any

import pytest

from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from feedback.copies import _beginning, is_cut
from feedback.models import ReviewItem
from feedback.rules import RULES, Rule, Source
from feedback.services.assignment import next_item
from feedback.services.filling import add_items, fill_queue, preview
from feedback.services.queues import change_queue, close_queue, delete_queue, reopen_queue
from feedback.services.reviewing import submit
from notify.models import Delivery
from tests.accounts.making import make_user
from tests.feedback.reviewers import judge, make_items, make_people, make_queue
from tests.inference.log_rows import make_request
from tests.notify.making import make_channel

pytestmark = pytest.mark.django_db


def test_queue_when_made_and_changed_then_as_said_and_audited_without_names_in_clear() -> None:
    queue = make_queue(rules=[{"kind": "random", "percent": 5}], guidelines="짧게")
    (rule,) = queue.rules
    assert rule | {"id": ""} == {"id": "", "kind": "random", "percent": 5, "priority": 0, "most_per_day": 500}
    person = make_user("reviewer", username="김검수")
    changed = change_queue(
        queue=queue, actor=queue.owner, reviewers=[person], rules=[{**rule, "percent": 9}], reason="더 많이"
    )
    assert changed.rules[0]["id"] == rule["id"]
    assert (changed.answer, changed.guidelines, changed.choices) == (queue.answer, "짧게", queue.choices)
    event = AuditEvent.objects.get(action="feedback.queue_changed")
    assert event.reason == "더 많이"
    assert "김검수" not in str(event.after)
    assert event.before["reviewers"] != event.after["reviewers"]
    with pytest.raises(Conflict):
        make_queue()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"choices": ["하나"]}, "choices"),
        ({"answer": "없음"}, "answer"),
        ({"reviewers_per_item": 0}, "__all__"),
        ({"golden_percent": 51}, "__all__"),
        ({"lock_seconds": 1}, "lock_seconds"),
        ({"guidelines": "x" * 50_001}, "guidelines"),
        ({"guidelines": "\0"}, "guidelines"),
        ({"filled_until": {}}, "filled_until"),
        ({"rules": "x"}, "rules"),
        ({"rules": [{"kind": "drifted"}]}, "rules"),
        ({"rules": [{"kind": []}]}, "rules"),
        ({"rules": [{"kind": "random"}]}, "rules[0].percent"),
        ({"rules": [{"kind": "random", "percent": 0}]}, "rules[0].percent"),
        ({"rules": [{"kind": "random", "percent": float("nan")}]}, "rules[0].percent"),
        ({"rules": [{"kind": "random", "percent": True}]}, "rules[0].percent"),
        ({"rules": [{"kind": "low_rating", "at_most": 1.5}]}, "rules[0].at_most"),
        ({"rules": [{"kind": "low_score"}]}, "rules[0].below"),
        ({"rules": [{"kind": "thumbs_down", "x": 1}]}, "rules[0].x"),
        ({"rules": [{"kind": "thumbs_down", "priority": 101}]}, "rules[0].priority"),
        ({"rules": [{"kind": "thumbs_down"}] * 21}, "rules"),
    ],
)
def test_queue_when_a_field_cannot_be_then_it_is_named(fields: dict[str, Any], named: str) -> None:
    queue = make_queue()
    with pytest.raises(Exception) as refused:  # noqa: PT011 - ours, or Django's, which doors tell likewise
        change_queue(queue=queue, actor=queue.owner, **fields)
    told = getattr(refused.value, "fields", None) or refused.value.message_dict  # type: ignore[attr-defined]
    assert named in told


def test_queue_when_answers_were_given_then_labels_can_only_be_added() -> None:
    queue, (person,) = make_queue(), make_people(1)
    make_items(queue)
    judge(queue, person, ["배송"])
    change_queue(queue=queue, actor=queue.owner, choices=["배송", "환불", "기타", "교환"])
    for fields in ({"choices": ["환불", "기타"]}, {"answer": "text"}):
        with pytest.raises(Conflict):
            change_queue(queue=queue, actor=queue.owner, **fields)
    with pytest.raises(Conflict):
        delete_queue(queue=queue, actor=queue.owner)


def test_queue_when_closed_opened_and_deleted_then_each_once() -> None:
    queue = make_queue()
    make_items(queue, 2)
    close_queue(queue=queue, actor=queue.owner)
    with pytest.raises(Conflict):
        close_queue(queue=queue, actor=queue.owner)
    queue.refresh_from_db()
    with pytest.raises(Conflict):
        add_items(queue=queue, sources=[], actor=queue.owner)
    reopen_queue(queue=queue, actor=queue.owner)
    delete_queue(queue=queue, actor=queue.owner)
    assert not ReviewItem.objects.exists()
    events = AuditEvent.objects.filter(action__startswith="feedback.queue_").order_by("pk")
    done = events.values_list("action", flat=True)
    assert [one.rpartition("_")[2] for one in done] == ["created", "closed", "reopened", "deleted"]


def test_items_when_put_in_by_hand_then_copies_that_outlive_the_log_and_come_once() -> None:
    queue = make_queue(is_masked=True)
    call = make_request(text="제 번호는 010-1234-5678 입니다")
    sources = [Source(call.pk), Source(call.pk), Source(call.pk, row=7)]
    assert add_items(queue=queue, sources=sources, actor=queue.owner, reason="inbox", priority=3) == 1
    assert add_items(queue=queue, sources=sources, actor=queue.owner) == 0
    call.delete()
    (item,) = queue.items.all()
    assert item.input == {"text": "제 번호는 [전화번호] 입니다"}
    assert item.output == {"label": "배송", "score": 0.93}
    assert (item.reason, item.priority, item.reviews_needed, item.model, item.version) == ("inbox", 3, 2, "intent", 1)
    with pytest.raises(Invalid):
        add_items(queue=queue, sources=sources, actor=queue.owner, priority=1000)


def test_items_when_long_then_cut_so_that_a_page_can_show_them() -> None:
    queue = make_queue()
    texts = {"texts": ["나" * 11_000] * 20, "some": ["나" * 9_000] * 20}
    long = Source(key="a", input={"text": "가" * 30_000, "pixels": [0.5] * 5000, "few": [1, 2]} | texts)
    add_items(queue=queue, sources=[long], actor=queue.owner)
    (item,) = queue.items.all()
    assert item.input["text"] == "가" * 20_000 + "…[+10000]"
    assert (item.input["pixels"], item.input["few"]) == ({"values_left_out": 5000}, [1, 2])
    assert (item.input["texts"], item.input["some"]) == ({"values_left_out": 20}, ["나" * 9_000] * 20)


def test_text_when_a_little_too_long_then_all_but_what_is_told_is_kept() -> None:
    for more in (1, 199, 200, 201):
        assert _beginning("a" * (20_000 + more), str) == "a" * 20_000 + f"…[+{more}]"


def test_items_when_cut_then_personal_data_is_masked_across_the_cut_too() -> None:
    queue = make_queue(is_masked=True)
    for before in (19_990, 19_999, 20_190):
        for after in (0, 50, 5000):
            text = "가" * before + " 010-1234-5678 " + "나" * after
            add_items(queue=queue, sources=[Source(key=f"{before} {after}", input={"text": text})], actor=queue.owner)
    texts = [item.input["text"] for item in queue.items.all()]
    assert all(is_cut(text) and "010" not in text for text in texts)


def test_rule_when_another_app_registers_one_then_offered_until_then_refused() -> None:
    class Drifted(Rule):
        kind, label = "drifted", "drifted"

        def start(self, moment: Any) -> str:
            return "0"

        def look(self, values: Any, deployment: str, after: str, until: Any) -> Any:
            return iter(())

    with pytest.raises(Invalid):
        preview(kind="drifted", values={})
    RULES["drifted"] = Drifted()
    try:
        queue = make_queue(rules=[{"kind": "drifted"}])
        assert preview(kind="drifted", values={}).is_whole
    finally:
        del RULES["drifted"]
    assert fill_queue(queue=queue) == 0  # its app is gone, the queue lives on


def test_queue_when_its_last_item_is_judged_then_a_notice_tells() -> None:
    make_channel(events=["review_queue.finished"])
    queue, (person,) = make_queue(reviewers_per_item=1), make_people(1)
    make_items(queue, 2)
    judge(queue, person, ["배송"])
    assert not Delivery.objects.exists()
    item = next_item(queue=queue, reviewer=person)
    assert item
    submit(item=item, reviewer=person, answer="환불")
    assert [one.event for one in Delivery.objects.all()] == ["review_queue.finished"]
