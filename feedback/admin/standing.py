"""How far a queue is and what is left for a person, cheap enough for each answer; and why there is no next item."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts.models import User
from common.display import percent, person_name, thousands
from common.errors import FluemanError, NotAllowed
from common.ids import floor_of
from feedback.counts import counts_by_queue, waiting_by_queue
from feedback.models import Review, ReviewItem, ReviewQueue

State = ReviewItem.State
MOST_QUEUES = 50
_GOLDEN_KEPT_S = 600  # one answer must not show by this figure whether it was a golden one
_WAITING_KEPT_S = 60


def counts_of(queue: ReviewQueue) -> dict[str, int]:
    """Give the number of items of a queue by state."""
    return counts_by_queue([queue.pk])[queue.pk]


def progress_of(queue: ReviewQueue) -> dict[str, Any]:
    """Give the share of a queue that is judged, in words too."""
    return progress_words(counts_of(queue))


def progress_words(counts: dict[str, int]) -> dict[str, Any]:
    """Give counts by state as a share and as words."""
    total = sum(counts.values())
    judged = total - counts[State.WAITING]
    said = gettext("%(judged)s of %(total)s judged") % {"judged": thousands(judged), "total": thousands(total)}
    return {
        "total": total,
        "percent": judged * 100 // total if total else 0,
        "words": said if total else gettext("no items yet"),
    }


def mine_of(queue: ReviewQueue, person: User) -> dict[str, str]:
    """Give what a person has done today, and how often they agreed with golden items."""
    own = Review.objects.filter(queue=queue, reviewer=person, state=Review.State.COUNTS)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = own.filter(id__gte=floor_of(midnight)).count()
    judged = own.exclude(is_right=None)
    told: tuple[int, int] = cache.get_or_set(
        f"feedback:golden:{queue.pk}:{person.pk}",
        lambda: (judged.filter(is_right=True).count(), judged.count()),
        _GOLDEN_KEPT_S,
    )
    said = ngettext("%(count)s by you today", "%(count)s by you today", today) % {"count": thousands(today)}
    share = percent(told[0] / told[1]) if told[1] else ""
    golden = gettext("%(share)s right on golden items") % {"share": share} if share else ""
    return {"words": said, "golden": golden}


def queues_of(person: User) -> QuerySet[ReviewQueue]:
    """Give the open queues that a person reviews in."""
    named = ReviewQueue.reviewers.through.objects.all()
    is_free = ~Exists(named.filter(reviewqueue=OuterRef("pk")))
    is_theirs = Exists(named.filter(reviewqueue=OuterRef("pk"), user=person))
    return ReviewQueue.objects.filter(is_free | is_theirs, is_open=True)


def waiting_queues(person: User) -> list[tuple[int, str, int]]:
    """Give key, name and how much waits there of the queues with work for a person; up to a minute old, for it stands
    on every page.
    """
    if not person.has_perm("feedback.add_review"):
        return []
    name = f"feedback:waiting:{person.pk}"
    found: list[tuple[int, str, int]] | None = cache.get(name)
    if found is None:
        queues = dict(queues_of(person).values_list("pk", "name")[:MOST_QUEUES])
        waiting = waiting_by_queue(person.pk, queues) if queues else {}
        found = [(key, queues[key], count) for key, count in waiting.items() if count]
        cache.set(name, found, _WAITING_KEPT_S)
    return found


def waiting_in_all(person: User) -> int:
    """Give how many items wait for a person in all queues."""
    return sum(count for _key, _name, count in waiting_queues(person))


def forget_waiting(person: User) -> None:
    """Have what waits for a person counted anew."""
    cache.delete(f"feedback:waiting:{person.pk}")


def state_of(request: HttpRequest, queue: ReviewQueue, refusal: FluemanError | None) -> dict[str, Any]:
    """Give why a person has no next item here, and where to go."""
    icon, title, text = _why(queue, refusal)
    links = []
    person: User = request.user  # type: ignore[assignment]
    forget_waiting(person)
    if other := next((one for one in waiting_queues(person) if one[0] != queue.pk), None):
        label = gettext("Go on with %(queue)s") % {"queue": other[1]}
        url = reverse("admin:feedback_reviewqueue_review", args=[other[0]])
        links.append({"label": label, "url": url, "primary": True})
    if person.has_perm("feedback.adjudicate_reviewqueue") and counts_of(queue)[State.DISPUTED]:
        label = gettext("Settle the disputes")
        links.append({"label": label, "url": reverse("admin:feedback_reviewqueue_settle", args=[queue.pk])})
    back = {"label": gettext("To the queues"), "url": reverse("admin:feedback_reviewqueue_changelist")}
    return {"icon": icon, "title": title, "text": text, "links": [*links, back]}


def _why(queue: ReviewQueue, refusal: FluemanError | None) -> tuple[str, str, str]:
    counts = counts_of(queue)
    if not queue.is_open:
        return "lock", gettext("This queue is closed"), gettext("Nothing more is judged here. What was judged stays.")
    if isinstance(refusal, NotAllowed):
        keeper = gettext("%(owner)s can add you.") % {"owner": person_name(queue.owner)} if queue.owner else ""
        return "group_off", gettext("You are not among the reviewers of this queue"), keeper
    if refusal is not None:
        return "error", gettext("No item can be given now"), refusal.message
    if not sum(counts.values()):
        text = gettext("Items come by the rules of the queue, or from the request log and the inbox by hand.")
        return "inbox", gettext("Nothing has come yet"), text
    if queue.items.filter(state=State.WAITING, is_golden=False).exists():
        text = gettext("What is left is before other reviewers now, or needs somebody else's answer. Look again later.")
        return "hourglass_empty", gettext("Nothing is left for you now"), text
    text = gettext("Thank you. New items come as the rules find them.")
    return "task_alt", gettext("Everything here is judged"), text
