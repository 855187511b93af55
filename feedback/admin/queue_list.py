"""The list of queues, and what of them waits for a person on other pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from common.display import thousands
from feedback.admin.answers import joined
from feedback.admin.standing import progress_words, queues_of, waiting_queues
from feedback.counts import counts_by_queue, waiting_by_queue
from feedback.models import ReviewItem, ReviewQueue

CARDS = 5


def rows_of(request: HttpRequest, queues: list[ReviewQueue]) -> list[dict[str, Any]]:
    """Give queues as the list shows them, those with work for the person first."""
    is_reviewer = request.user.has_perm("feedback.add_review")
    own = set(queues_of(request.user).values_list("pk", flat=True)) if is_reviewer else set()
    keys = [queue.pk for queue in queues]
    counts, waiting = counts_by_queue(keys), waiting_by_queue(request.user.pk, keys)
    rows = [
        _row(request, queue, counts[queue.pk], waiting[queue.pk] if queue.pk in own else 0, queue.pk in own)
        for queue in queues
    ]
    return sorted(rows, key=lambda row: not row["waiting"])


def my_reviews(person: Any) -> list[dict[str, Any]]:
    """Give the queues that have items for a person, for Home."""
    return [
        {
            "name": name,
            "url": reverse("admin:feedback_reviewqueue_review", args=[key]),
            "words": ngettext("%(count)s item", "%(count)s items", count) % {"count": thousands(count)},
        }
        for key, name, count in waiting_queues(person)[:CARDS]
    ]


def _row(
    request: HttpRequest, queue: ReviewQueue, counts: dict[str, int], waiting: int, is_mine: bool
) -> dict[str, Any]:
    disputed = counts[ReviewItem.State.DISPUTED]
    review = reverse("admin:feedback_reviewqueue_review", args=[queue.pk])
    may_settle = request.user.has_perm("feedback.adjudicate_reviewqueue")
    listed = f"{reverse('admin:feedback_reviewitem_changelist')}?queue={queue.pk}&state=disputed"
    people = len(queue.reviewers.all())
    each = queue.reviewers_per_item
    words = [queue.description.split("\n")[0][:80], queue.deployment]
    words.append(ngettext("%d person judges each", "%d people judge each", each) % each)
    words.append(ngettext("%d reviewer", "%d reviewers", people) % people if people else gettext("open to all"))
    disputes = ngettext("%(count)s dispute", "%(count)s disputes", disputed) % {"count": thousands(disputed)}
    return {
        "queue": queue,
        "url": reverse("admin:feedback_reviewqueue_change", args=[queue.pk]),
        "words": joined(words),
        "progress": progress_words(counts),
        "disputed": disputed,
        "disputed_words": disputes,
        "disputed_url": reverse("admin:feedback_reviewqueue_settle", args=[queue.pk]) if may_settle else listed,
        "waiting": waiting,
        "waiting_words": thousands(waiting),
        "review_url": review if is_mine and queue.is_open else "",
    }
