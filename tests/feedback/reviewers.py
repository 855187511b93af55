"""Queues, items and reviewers for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.models import User
from common.ids import uuid7
from feedback.models import Review, ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.assignment import next_item
from feedback.services.filling import add_items
from feedback.services.queues import create_queue
from feedback.services.reviewing import submit, undo
from tests.accounts.making import make_user

CHOICES = ["배송", "환불", "기타"]


def make_queue(name: str = "의도", actor: User | None = None, **fields: Any) -> ReviewQueue:
    """Make a queue of labels without golden items."""
    known = {"choices": CHOICES, "golden_percent": 0} | fields
    return create_queue(name=name, actor=actor or make_user("operator"), **known)


def make_items(queue: ReviewQueue, count: int = 1, priority: int = 0, **more: Any) -> list[ReviewItem]:
    """Put made-up items into a queue; give them in the order in which reviewers get them."""
    sources = [
        Source(key=f"made:{uuid7()}", **({"input": {"text": f"문장 {n}"}, "output": {"label": "배송"}} | more))
        for n in range(count)
    ]
    add_items(queue=queue, sources=sources, actor=queue.owner, priority=priority)
    return list(queue.items.filter(source_key__in=[one.source_key for one in sources]).order_by("-priority", "shuffle"))


def make_people(count: int) -> list[User]:
    """Make reviewers."""
    return [make_user("reviewer") for _ in range(count)]


def undo_last(queue: ReviewQueue, person: User) -> ReviewItem:
    """Take back what a person said last in a queue."""
    said = Review.objects.filter(queue=queue, reviewer=person).exclude(state="undone").order_by("-id")
    last = said.values_list("pk", flat=True).first()
    return undo(queue=queue, reviewer=person, review_id=last or uuid7())


def judge(queue: ReviewQueue, person: User, answers: Iterable[Any]) -> list[ReviewItem]:
    """Have a person take item after item and give these answers."""
    judged = []
    for answer in answers:
        item = next_item(queue=queue, reviewer=person)
        assert item is not None
        submit(item=item, reviewer=person, answer=answer)
        judged.append(item)
    return judged
