"""Review items: those of a queue by filters that stay in the address, and one item with all that was said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext

from accounts.models import User
from common.admin import Onlooker, ReadOnlyAdmin
from common.display import badge, person_name
from common.numbers import whole
from feedback.admin.answers import answer_words
from feedback.admin.item_verbs import VERBS
from feedback.admin.showing import answered_label, names_by_version, show_item, words_of
from feedback.admin.wording import reason_words, reasons, skip_words
from feedback.gathering import FINISHED
from feedback.models import GoldenAnswer, Review, ReviewItem, ReviewQueue
from feedback.sight import hidden_of, is_hidden, is_nameless, items_seen_by, knows_golden, reviews_seen_by, with_names

State = ReviewItem.State
FILTERS = ("queue", "state", "reason", "reviewer", "answer", "flagged", "skipped", "decided", "golden")
TONES = {State.AGREED: "good", State.SETTLED: "good", State.DISPUTED: "warn", State.WAITING: "busy"}
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One item in the list."""

    item: ReviewItem
    url: str
    state: Any
    words: str
    answered: str
    judged: str
    reason: str


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin):
    """What is judged, in all queues."""

    detail_template = "admin/feedback/item.html"
    verbs = VERBS

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReviewItem]:
        """Read the queue too."""
        return items_seen_by(Onlooker(request.user))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show one page of what the filters find."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = {name: request.GET.get(name, "").strip() for name in FILTERS}
        filtered = _filtered(self.get_queryset(request), Onlooker(request.user), chosen)
        found = _ordered(filtered, chosen, request.GET.get("after", ""))
        items = list(found[: PER_PAGE + 1])
        queue = ReviewQueue.objects.filter(pk=whole(chosen["queue"])).first()
        return self.page(
            request,
            "admin/feedback/items.html",
            title=gettext("Review items"),
            headline=_list_headline(queue, chosen),
            lines=lines_of(items[:PER_PAGE], Onlooker(request.user)),
            queue=queue,
            chosen=chosen,
            is_filtered=any(chosen[name] for name in FILTERS if name != "queue"),
            older_url=_with(chosen, {"after": _cursor(items[PER_PAGE - 1], chosen)}) if len(items) > PER_PAGE else "",
            first_url=_with(chosen, {}) if request.GET.get("after") else "",
            **_choices(queue, with_golden=knows_golden(Onlooker(request.user))),
        )

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what was judged of it."""
        names = names_by_version([obj]).get(obj.version_id, {})
        said = {"queue": obj.queue.name, "answer": answer_words(obj.final_answer, names)}
        if obj.final_answer is not None:
            return gettext("%(queue)s: judged as “%(answer)s”") % said
        if obj.state == State.DISPUTED:
            return gettext("%(queue)s: reviewers disagree") % said
        if obj.state == State.LEFT_OUT:
            return gettext("%(queue)s: left out") % said
        if obj.is_golden:
            return gettext("%(queue)s: golden item") % said
        left = obj.reviews_needed - obj.reviews_done
        words = ngettext(
            "%(queue)s: %(count)d more answer is needed", "%(queue)s: %(count)d more answers are needed", left
        )
        return words % {**said, "count": left}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the item, what the model said, all reviews, and where it came from."""
        return detail_of_item(request, obj)


def detail_of_item(request: HttpRequest, obj: ReviewItem) -> dict[str, Any]:
    """Give what the page of an item shows."""
    onlooker = Onlooker(request.user)
    is_blind = is_hidden(obj, onlooker)
    shown = show_item(request, obj, with_answer=not is_blind)
    golden = GoldenAnswer.objects.filter(item=obj).first() if knows_golden(onlooker) else None
    return {
        "queue": obj.queue,
        "shown": shown,
        "is_blind": is_blind,
        "reviews": reviews_of(obj, shown.names, onlooker),
        "final": answer_words(obj.final_answer, shown.names),
        "reason": "–" if is_blind else reason_words(obj.reason),
        "state": state_badge(obj),
        "golden": golden,
        "golden_words": answer_words(golden.answer, shown.names) if golden else "",
        "list_url": f"{reverse('admin:feedback_reviewitem_changelist')}?{urlencode({'queue': obj.queue_id})}",
    }


def state_badge(item: ReviewItem) -> Any:
    """Give the state as a word with a colour."""
    return badge(item.state, item.get_state_display(), TONES.get(State(item.state), "quiet"))


def reviews_of(item: ReviewItem, names: Any, onlooker: Onlooker) -> list[dict[str, Any]]:
    """Give what was said of an item, oldest first; who said it stays hidden while a blind item is not decided."""
    reviews = list(reviews_seen_by(onlooker).filter(item=item).select_related("reviewer").order_by("id"))
    people: dict[Any, int] = {}
    for review in reviews:
        people.setdefault(review.reviewer_id or review.reviewer_name, len(people) + 1)
    return [
        {
            "review": review,
            "who": gettext("Reviewer %d") % people[review.reviewer_id or review.reviewer_name]
            if is_nameless(review, onlooker)
            else _name(review),
            "answer": answer_words(review.answer, names) if review.state != Review.State.SKIPPED else "",
            "why": skip_words(review.skip_reason),
        }
        for review in reviews
    ]


def lines_of(items: list[ReviewItem], onlooker: Onlooker) -> list[Line]:
    """Give items as the list shows them."""
    names, hidden = names_by_version(items), hidden_of(items, onlooker)
    return [
        _line(item, names.get(item.version_id, {}) if item.version_id else {}, is_blind=item.pk in hidden)
        for item in items
    ]


def _line(item: ReviewItem, names: dict[str, str], *, is_blind: bool) -> Line:
    judged = answer_words(item.final_answer, names)
    if item.final_answer is None:
        judged = str(item.reviews_done) if item.is_golden else f"{item.reviews_done}/{item.reviews_needed}"
    return Line(
        item,
        reverse("admin:feedback_reviewitem_change", args=[item.pk]),
        state_badge(item),
        words_of(item.input) or gettext("(nothing was kept)"),
        gettext("hidden: blind") if is_blind else answered_label(item, names),
        judged,
        "–" if is_blind else reason_words(item.reason),
    )


def _filtered(items: QuerySet[ReviewItem], onlooker: Onlooker, chosen: dict[str, str]) -> QuerySet[ReviewItem]:
    """Narrow to what was chosen; by answers and who gave them only as far as this person may see them."""
    queue, reviewer = whole(chosen["queue"]), whole(chosen["reviewer"])
    if queue is not None:
        items = items.filter(queue=queue)
    if chosen["state"] in State.values:
        items = items.filter(state=chosen["state"])
    if chosen["reason"]:
        items = items.filter(reason=chosen["reason"])
    if chosen["decided"]:
        items = _decided(items, chosen["decided"])
    if chosen["golden"]:
        items = items.filter(is_golden=True)
    said = reviews_seen_by(onlooker)
    said = said.filter(state=Review.State.SKIPPED if chosen["skipped"] else Review.State.COUNTS)
    said = said if queue is None else said.filter(queue=queue)
    if reviewer is not None:
        said = with_names(said, onlooker).filter(reviewer=reviewer)
    if chosen["answer"]:
        said = said.filter(answer_key=chosen["answer"])
    if chosen["flagged"]:
        said = said.filter(is_flagged=True)
    if any(chosen[name] for name in ("reviewer", "answer", "flagged", "skipped")):
        items = items.filter(pk__in=said.values("item"))
    return items


def _decided(items: QuerySet[ReviewItem], since: str) -> QuerySet[ReviewItem]:
    """Narrow to what has its answer: since a moment, or at all."""
    found = items.filter(state__in=FINISHED, is_golden=False)
    try:
        moment = parse_datetime(since)
        return found.filter(finished_at__gt=moment.astimezone(UTC)) if moment and moment.tzinfo else found
    except (ValueError, OverflowError):  # no day, or one before the first
        return found


def _ordered(items: QuerySet[ReviewItem], chosen: dict[str, str], after: str) -> QuerySet[ReviewItem]:
    """Order as the queue gives them where one state is asked for, which its index can, else the newest first."""
    parts = [number for part in after.split("_") if (number := _signed(part)) is not None]
    if not chosen["state"]:
        return items.filter(pk__lt=parts[0]).order_by("-pk") if parts else items.order_by("-pk")
    if len(parts) == 3:
        priority, shuffle, key = parts
        items = items.filter(
            Q(priority__lt=priority)
            | Q(priority=priority, shuffle__gt=shuffle)
            | Q(priority=priority, shuffle=shuffle, pk__gt=key)
        )
    return items.order_by("-priority", "shuffle", "pk")


def _signed(text: str) -> int | None:
    number = whole(text.removeprefix("-"))
    return -number if number is not None and text.startswith("-") else number


def _cursor(item: ReviewItem, chosen: dict[str, str]) -> str:
    return f"{item.priority}_{item.shuffle}_{item.pk}" if chosen["state"] else str(item.pk)


def _choices(queue: ReviewQueue | None, *, with_golden: bool) -> dict[str, Any]:
    people = User.objects.filter(pk__in=Review.objects.filter(queue=queue).values("reviewer")) if queue else ()
    return {
        "queues": list(ReviewQueue.objects.values_list("pk", "name")[:200]),
        "states": State.choices,
        "reasons": reasons(),
        "people": [(person.pk, person_name(person)) for person in people[:200]] if queue else [],
        "answers": queue.choices if queue else [],
        "with_golden": with_golden,
    }


def _with(chosen: dict[str, str], changes: dict[str, str]) -> str:
    query = {name: value for name, value in {**chosen, **changes}.items() if value}
    return f"?{urlencode(query)}" if query else "?"


def _list_headline(queue: ReviewQueue | None, chosen: dict[str, str]) -> str:
    state = dict(State.choices).get(chosen["state"], "")
    if queue is None:
        return gettext("Review items")
    return f"{queue.name}: {state}" if state else gettext("%(queue)s: items") % {"queue": queue.name}


def _name(review: Review) -> str:
    return person_name(review.reviewer) if review.reviewer else review.reviewer_name
