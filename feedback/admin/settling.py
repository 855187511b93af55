"""Settling: what reviewers disagree about, one after the other, their answers side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, Onlooker, require
from common.display import thousands
from common.errors import Conflict, FluemanError, Invalid
from feedback.admin.answers import control_for, read_answer
from feedback.admin.items import reviews_of
from feedback.admin.review import ERROR_STATUS, words
from feedback.admin.showing import ShownItem, label_names_in, show_item
from feedback.models import Review, ReviewItem, ReviewQueue
from feedback.services.settling import leave_out, settle, take_back

OTHER = "other"
MOST_SIDES = 9
_KEYS = [
    (("1", "…", "9"), _("take one of the answers")),
    (("0",), _("give another answer")),
    (("Enter",), _("settle and take the next one")),
    (("s",), _("leave it for later")),
    (("x",), _("leave the item out, with a reason")),
    (("u",), _("undo the last decision")),
    (("n",), _("write a note")),
    (("Esc",), _("leave a box, close a panel")),
    (("?",), _("these keys")),
]


def settle_view(model_admin: ModelAdmin, request: HttpRequest, key: int) -> HttpResponseBase:
    """Show the next disputed item; on POST settle it. A script gets JSON. Raises Http404."""
    require(request, "feedback.adjudicate_reviewqueue")
    queue = ReviewQueue.objects.filter(pk=key).first()
    if queue is None:
        raise Http404
    is_script = request.headers.get("X-Requested-With") == "fetch"
    if request.method != "POST":
        return _page(model_admin, request, queue, _context(request, queue, _asked(request, queue)))
    try:
        said, behind, last = _do(request, queue)
    except FluemanError as error:
        if is_script:
            return JsonResponse({"error": error.message, "isGone": isinstance(error, Conflict)}, status=ERROR_STATUS)
        item = _posted(request, queue) or _next(request, queue, None)
        context = _context(request, queue, item) | {"error": error.message}
        return _page(model_admin, request, queue, context)
    if is_script:
        context = _context(request, queue, _next(request, queue, behind)) | {"last": last}
        return JsonResponse({"html": render_to_string(context["body"], context, request), "message": said})
    messages.success(request, said)
    query = urlencode({"after": behind.pk} if behind else {"last": last} if last else {})
    return HttpResponseRedirect(f"{request.path}?{query}")


def _page(
    model_admin: ModelAdmin, request: HttpRequest, queue: ReviewQueue, context: dict[str, Any]
) -> HttpResponseBase:
    return model_admin.page(
        request,
        "admin/feedback/review.html",
        title=gettext("Settling"),
        back_url=reverse("admin:feedback_reviewqueue_change", args=[queue.pk]),
        keys=_KEYS,
        words=words() | {"chooseFirst": gettext("Choose one of the answers first, or another with 0.")},
        **context,
    )


def _context(request: HttpRequest, queue: ReviewQueue, item: ReviewItem | None) -> dict[str, Any]:
    shared: dict[str, Any] = {"queue": queue, "last": request.GET.get("last", "")}
    if item is None:
        return shared | {"body": "admin/feedback/review/state.html", "state": _nothing(queue)}
    shown = show_item(request, item, with_answer=True)
    left = _disputed(request, queue).count()
    chosen = read_answer(queue, request.POST) if request.method == "POST" else None
    return shared | {
        "body": "admin/feedback/settle.html",
        "item": item,
        "shown": shown,
        "sides": _sides(request, item, shown),
        "control": control_for(queue, label_names_in(queue), chosen=chosen),
        "picked": request.POST.get("pick", ""),
        "note": request.POST.get("note", ""),
        "left_words": ngettext("%(count)s dispute is left", "%(count)s disputes are left", left)
        % {"count": thousands(left)},
    }


def _sides(request: HttpRequest, item: ReviewItem, shown: ShownItem) -> list[dict[str, Any]]:
    """Give the different answers, the commonest first, each with who gave it and what they noted."""
    sides: dict[str, dict[str, Any]] = {}
    for said in reviews_of(item, shown.names, Onlooker(request.user)):
        review = said["review"]
        if review.state != Review.State.COUNTS:
            continue
        side = sides.setdefault(review.answer_key, {"value": str(review.pk), "answer": said["answer"], "people": []})
        side["people"].append(said["who"])
        side.setdefault("notes", []).extend([review.note] if review.note else [])
        side["is_flagged"] = side.get("is_flagged", False) or review.is_flagged
    ranked = sorted(sides.values(), key=lambda side: -len(side["people"]))[:MOST_SIDES]
    whole = sum(len(side["people"]) for side in sides.values())
    for place, side in enumerate(ranked, 1):
        side |= {"key": str(place), "who": f"{', '.join(side['people'])} · {len(side['people'])}/{whole}"}
    return ranked


Done = tuple[str, ReviewItem | None, str]  # what to say, the item to go on behind, the one that can be taken back


def _do(request: HttpRequest, queue: ReviewQueue) -> Done:
    action = _ACTIONS.get(request.POST.get("do", "submit"))
    item = _posted(request, queue)
    if action is None:
        raise Invalid(gettext("The request is malformed."), code="malformed")
    if item is None:
        raise Conflict(gettext("This item is not in the queue any more."), code="gone")
    return action(request, item)


def _settle(request: HttpRequest, item: ReviewItem) -> Done:
    settle(item=item, actor=request.user, answer=_picked(request, item), note=request.POST.get("note", ""))
    return gettext("Settled."), None, str(item.pk)


def _later(request: HttpRequest, item: ReviewItem) -> Done:
    return gettext("It stays for later."), item, ""


def _leave_out(request: HttpRequest, item: ReviewItem) -> Done:
    leave_out(item=item, actor=request.user, reason=request.POST.get("reason", ""))
    return gettext("Left out."), None, str(item.pk)


def _undo(request: HttpRequest, item: ReviewItem) -> Done:
    take_back(item=item, actor=request.user)
    return gettext("It is undone."), None, ""


_ACTIONS: dict[str, Callable[[HttpRequest, ReviewItem], Done]] = {
    "submit": _settle,
    "later": _later,
    "leave_out": _leave_out,
    "undo": _undo,
}


def _picked(request: HttpRequest, item: ReviewItem) -> Any:
    """Give the answer that was taken: that of one of the reviews, or another. Raises Invalid if there is none."""
    picked = request.POST.get("pick", "")
    if picked == OTHER:
        return read_answer(item.queue, request.POST)
    taken = next((one for one in item.reviews.filter(state=Review.State.COUNTS) if str(one.pk) == picked), None)
    if taken is None:
        raise Invalid(gettext("Choose one of the answers first, or another with 0."), code="nothing_chosen")
    return taken.answer


def _posted(request: HttpRequest, queue: ReviewQueue) -> ReviewItem | None:
    key = request.POST.get("last" if request.POST.get("do") == "undo" else "item", "")
    items = queue.items.select_related("queue")
    return items.filter(pk=key).first() if key.isascii() and key.isdigit() and len(key) < 19 else None


def _asked(request: HttpRequest, queue: ReviewQueue) -> ReviewItem | None:
    """Give the item that the address asks for, or the one after another, or the first."""
    disputed = _disputed(request, queue)
    key, after = request.GET.get("item", ""), request.GET.get("after", "")
    if key.isascii() and key.isdigit() and (asked := disputed.filter(pk=key[:18]).first()):
        return asked
    before = queue.items.filter(pk=after[:18]).first() if after.isascii() and after.isdigit() else None
    return _next(request, queue, before)


def _next(request: HttpRequest, queue: ReviewQueue, after: ReviewItem | None) -> ReviewItem | None:
    """Give the first dispute, or the one behind `after`; behind the last comes the first again."""
    disputed = _disputed(request, queue)
    if after is not None:
        behind = Q(priority__lt=after.priority) | Q(priority=after.priority, shuffle__gt=after.shuffle)
        behind |= Q(priority=after.priority, shuffle=after.shuffle, pk__gt=after.pk)
        if found := disputed.filter(behind).first():
            return found
    return disputed.first()


def _disputed(request: HttpRequest, queue: ReviewQueue) -> QuerySet[ReviewItem]:
    """Give the disputes that a person may settle, in order: none that they have a part in."""
    own = Review.objects.filter(reviewer=request.user, item=OuterRef("pk")).exclude(state=Review.State.SKIPPED)
    disputed = queue.items.filter(~Exists(own), state=ReviewItem.State.DISPUTED).select_related("queue")
    return disputed.order_by("-priority", "shuffle", "pk")


def _nothing(queue: ReviewQueue) -> dict[str, Any]:
    text = gettext("Reviewers agree about everything that enough of them have judged.")
    if queue.items.filter(state=ReviewItem.State.DISPUTED).exists():
        text = gettext("What is left you have judged yourself: somebody else has to settle it.")
    link = {
        "label": gettext("To the queue"),
        "url": reverse("admin:feedback_reviewqueue_change", args=[queue.pk]),
        "primary": True,
    }
    return {"icon": "handshake", "title": gettext("There is nothing to settle"), "text": text, "links": [link]}
