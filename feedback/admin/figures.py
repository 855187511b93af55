"""How reviewing goes: the figures of a queue, each with the way to its rows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.display import duration, percent, person_name, thousands
from common.plots import Series, plot
from feedback.admin.showing import words_of
from feedback.admin.standing import counts_of, mine_of, progress_words
from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue
from feedback.rules import RULES
from feedback.services.statistics import (
    Agreement,
    QueueStatistics,
    ReviewerStatistics,
    queue_statistics,
    reviewer_statistics,
)

SEE = "feedback.view_reviewitem"
State = ReviewItem.State
MANY_REVIEWS = 5_000
LOCKS_SHOWN = 50
FIGURES_KEPT_S = 600
_STRENGTHS = {
    "poor": _("worse than chance"),
    "slight": _("slight"),
    "fair": _("fair"),
    "moderate": _("moderate"),
    "substantial": _("substantial"),
    "almost_perfect": _("almost perfect"),
}
Statistics = tuple[QueueStatistics, list[ReviewerStatistics]]


def headline_of(queue: ReviewQueue) -> str:
    """Say how far a queue is, and whether somebody has to settle something."""
    counts = counts_of(queue)
    progress = progress_words(counts)
    said = {"queue": queue.name, "progress": progress["words"]}
    if not progress["total"]:
        return gettext("%(queue)s: nothing has come yet") % said
    if not queue.is_open:
        return gettext("%(queue)s is closed; %(progress)s") % said
    if counts[State.DISPUTED]:
        words = ngettext("%(count)s dispute is open", "%(count)s disputes are open", counts[State.DISPUTED])
        said["disputes"] = words % {"count": thousands(counts[State.DISPUTED])}
        return gettext("%(queue)s: %(progress)s, %(disputes)s") % said
    return gettext("%(queue)s: %(progress)s") % said


def detail_of(request: HttpRequest, queue: ReviewQueue) -> dict[str, Any]:
    """Give the page of a queue; figures that take long come after it."""
    return {
        "figures": _counts(queue),
        "progress": progress_words(counts_of(queue)),
        "items_url": _items(queue),
        "locks": _locks(queue) if request.user.has_perm("feedback.change_reviewqueue") else [],
        "rules": [_rule(queue, rule) for rule in queue.rules if rule["kind"] in RULES],
        "reviewers": [person_name(person) for person in queue.reviewers.all()],
        "mine": mine_of(queue, request.user),
        **(figures_of(queue, is_patient=False) if request.user.has_perm(SEE) else {}),
    }


def figures_of(queue: ReviewQueue, *, is_patient: bool) -> dict[str, Any]:
    """Give agreement, days and people; only that they are on the way, where they take long and nobody waits."""
    found = _statistics(queue, is_patient=is_patient)
    if found is None:
        return {"is_counting": True, "figures_url": reverse("admin:feedback_reviewqueue_figures", args=[queue.pk])}
    whole, people = found
    days = [date_format(day, "m-d") for day, _count in whole.per_day]
    bars = [Series(gettext("answers"), [count for _day, count in whole.per_day], is_bars=True)]
    accounts = User.objects.in_bulk([one.reviewer_id for one in people if one.reviewer_id])
    return {
        "original": queue,
        "agreement": _agreement(whole.agreement),
        "items_url": _items(queue),
        "pace": duration(whole.median_seconds * 1000) if whole.median_seconds is not None else "",
        "plot": plot(bars, days, title=gettext("Answers per day")) if days else "",
        "people": [_person(queue, one, accounts.get(one.reviewer_id)) for one in people],
    }


def _statistics(queue: ReviewQueue, *, is_patient: bool) -> Statistics | None:
    """Give the figures, kept for a while where they take long; `None` where they are not there and nobody waits."""
    key = f"feedback:statistics:{queue.pk}"
    found: Statistics | None = cache.get(key)
    if found is not None:
        return found
    newest = Review.objects.filter(queue=queue).order_by("-id")
    if not is_patient and newest[MANY_REVIEWS : MANY_REVIEWS + 1].exists():
        return None
    found = queue_statistics(queue), reviewer_statistics(queue)
    if found[0].reviews > MANY_REVIEWS:
        cache.set(key, found, FIGURES_KEPT_S)
    return found


def _counts(queue: ReviewQueue) -> list[dict[str, Any]]:
    counts = counts_of(queue)
    figures = [
        (gettext("waiting"), State.WAITING),
        (gettext("agreed"), State.AGREED),
        (gettext("disputed"), State.DISPUTED),
        (gettext("settled"), State.SETTLED),
        (gettext("left out"), State.LEFT_OUT),
    ]
    return [
        {"label": label, "value": thousands(counts[state]), "url": _items(queue, state=state)}
        for label, state in figures
        if counts[state] or state in (State.WAITING, State.AGREED, State.DISPUTED)
    ]


def _agreement(found: Agreement) -> dict[str, str]:
    """Give agreement as one number with its interval, and what it means."""
    if found.alpha is None:
        return {"value": "–", "words": gettext("too little was judged by more than one person")}
    told = {"low": f"{found.low:.2f}", "high": f"{found.high:.2f}"} if found.low is not None else {}
    words = [gettext("95 %% between %(low)s and %(high)s") % told] if told else []
    words += [gettext("equal answers %(share)s") % {"share": percent(found.raw)}] if found.raw is not None else []
    return {
        "value": f"{found.alpha:.2f}",
        "strength": str(_STRENGTHS.get(found.strength, found.strength)),
        "words": "; ".join(words),
        "more": _more(found),
    }


def _more(found: Agreement) -> str:
    names = (("Cohen's κ", found.cohen), ("Fleiss' κ", found.fleiss))
    told = [f"{name} {value:.2f}" for name, value in names if value is not None]
    told.append(gettext("of %(count)s answers") % {"count": thousands(found.reviews)})
    return ", ".join(told)


def _person(queue: ReviewQueue, one: ReviewerStatistics, account: User | None) -> dict[str, Any]:
    return {
        "name": person_name(account) if account else one.name,
        "url": _items(queue, reviewer=one.reviewer_id) if one.reviewer_id else "",
        "done": thousands(one.done),
        "skipped": thousands(one.skipped),
        "pace": duration(one.median_seconds * 1000) if one.median_seconds is not None else "–",
        "golden": _share(one.golden_right, one.golden),
        "majority": _share(one.with_majority, one.majority),
        "last_at": one.last_at,
        "skipped_url": _items(queue, reviewer=one.reviewer_id, skipped=1) if one.reviewer_id else "",
        "golden_url": _items(queue, reviewer=one.reviewer_id, golden=1) if one.reviewer_id else "",
    }


def _share(right: int, total: int) -> str:
    return f"{percent(right / total)} ({thousands(right)}/{thousands(total)})" if total else "–"


def _locks(queue: ReviewQueue) -> list[dict[str, Any]]:
    locks = ReviewLock.objects.filter(queue=queue).select_related("item", "reviewer").order_by("opened_at")
    name = "admin:feedback_reviewitem_"
    return [
        {
            "lock": lock,
            "who": person_name(lock.reviewer),
            "words": words_of(lock.item.input)[:120],
            "url": reverse(f"{name}change", args=[lock.item_id]),
            "release_url": reverse(f"{name}do", args=[lock.item_id, "release"]),
            "reassign_url": reverse(f"{name}do", args=[lock.item_id, "reassign"]),
        }
        for lock in locks[:LOCKS_SHOWN]
    ]


def _rule(queue: ReviewQueue, rule: dict[str, Any]) -> dict[str, Any]:
    brought = queue.filled_until.get(rule["id"], {}).get("brought", 0)
    return {
        "words": RULES[rule["kind"]].say(rule),
        "brought": gettext("%(count)s on the last day that it found something") % {"count": thousands(brought)},
        "url": _items(queue, reason=rule["kind"]),
    }


def _items(queue: ReviewQueue, **filters: Any) -> str:
    return f"{reverse('admin:feedback_reviewitem_changelist')}?{urlencode({'queue': queue.pk, **filters})}"
