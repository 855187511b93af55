"""Queues, items and browsers for tests of the pages."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.ids import uuid7
from feedback.models import ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.filling import add_items
from feedback.services.queues import create_queue
from feedback.services.reviewing import submit
from tests.accounts.making import make_user

LABELS = ["배송", "환불", "기타"]
SCRIPT = {"X-Requested-With": "fetch"}


def make_queue(**fields: Any) -> ReviewQueue:
    """Make a queue of labels for two reviewers without golden items, or as told."""
    told = {"name": f"문의 {uuid7().hex[-6:]}", "answer": "label", "choices": LABELS, "golden_percent": 0}
    return create_queue(actor=make_user("operator"), **(told | fields))


def make_items(queue: ReviewQueue, *texts: str, **fields: Any) -> list[ReviewItem]:
    """Put texts into a queue, answered by a model with the first label."""
    output = {"label": LABELS[0], "score": 0.61}
    sources = [Source(key=uuid7().hex, input={"text": text}, output=output, **fields) for text in texts]
    add_items(queue=queue, sources=sources, actor=queue.owner)
    return list(queue.items.order_by("id"))


def browser(person: User, language: str = "en") -> Client:
    """Give a browser in which somebody is logged in."""
    client = Client(headers={"accept-language": language})
    client.force_login(person)
    return client


def review_url(queue: ReviewQueue) -> str:
    """Give where a queue is judged."""
    return reverse("admin:feedback_reviewqueue_review", args=[queue.pk])


def opened(client: Client, queue: ReviewQueue) -> tuple[str, dict[str, str]]:
    """Open the judging of a queue; give the page and what its form would send."""
    html = client.get(review_url(queue)).content.decode()
    return html, hidden(html)


def hidden(html: str) -> dict[str, str]:
    """Give the hidden fields of a form."""
    import re

    found = re.findall(r'<input type="hidden" name="(item|last)" value="([^"]*)"', html)
    return dict(found)


def disagree(queue: ReviewQueue, item: ReviewItem, *answers: Any) -> list[User]:
    """Have as many new reviewers answer an item; give them."""
    people = [make_user("reviewer", username=f"rv-{uuid7().hex[-8:]}") for _answer in answers]
    for person, answer in zip(people, answers, strict=True):
        submit(item=item, reviewer=person, answer=answer, note="애매함" if answer == answers[-1] else "")
    return people
