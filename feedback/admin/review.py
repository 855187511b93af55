"""Review ("judge this one, fast"): one item, its answers, and the next one when it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, require
from common.errors import Conflict, FluemanError, Invalid, NotFound
from feedback.admin.answers import control_for, read_answer
from feedback.admin.showing import label_names_in, show_item
from feedback.admin.standing import forget_waiting, mine_of, progress_of, state_of
from feedback.admin.wording import SKIP_REASONS
from feedback.handles import handle_of, pk_of
from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue
from feedback.services.assignment import next_item, prolong
from feedback.services.reviewing import skip, submit, undo

LONGEST_NOTE = 2000
_KEYS = [
    (("1", "…", "9", "0"), _("choose an answer; letters after the tenth")),
    (("Enter",), _("send and take the next one")),
    (("s",), _("skip, with a reason")),
    (("u",), _("undo the last answer")),
    (("f",), _("flag for the one who settles")),
    (("n",), _("write a note")),
    (("/",), _("search the labels")),
    (("Esc",), _("leave a box, close a panel")),
    (("?",), _("these keys")),
]
ERROR_STATUS = 200  # what a service refuses is for the page to show, not for the browser to complain of


def review_view(model_admin: ModelAdmin, request: HttpRequest, key: int) -> HttpResponseBase:
    """Show the person's open item or the next one; on POST keep the answer. A script gets JSON. Raises Http404."""
    require(request, "feedback.add_review")
    queue = ReviewQueue.objects.filter(pk=key).first()
    if queue is None:
        raise Http404
    is_script = request.headers.get("X-Requested-With") == "fetch"
    if request.method != "POST":
        return _page(model_admin, request, queue)
    if request.POST.get("do") == "keep":
        return JsonResponse({"left": _keep(request, queue)})
    try:
        said = _do(request, queue)
    except FluemanError as error:
        if is_script:
            return JsonResponse({"error": error.message, "isGone": isinstance(error, Conflict)}, status=ERROR_STATUS)
        return _page(model_admin, request, queue, refused=error)
    forget_waiting(request.user)
    if is_script:
        context = body_context(request, queue)
        return JsonResponse({"html": render_to_string(context["body"], context, request), "message": said})
    messages.success(request, said)
    return HttpResponseRedirect(request.path)


def words() -> dict[str, str]:
    """Give the texts of the script."""
    return {
        "away": gettext("The server does not answer. Your answer is kept here and sent again by itself."),
        "loggedOut": gettext("You have been logged out. Log in again in another tab, then send once more."),
        "chooseFirst": gettext("Choose an answer first, or skip with s."),
        "runsOut": gettext("This item is kept for you for {seconds} more seconds."),
        "ranOut": gettext("The time for this item is over: somebody else may get it. You can still send your answer."),
    }


def body_context(request: HttpRequest, queue: ReviewQueue) -> dict[str, Any]:
    """Give what is shown now: the next item, or why there is none."""
    try:
        item = next_item(queue=queue, reviewer=request.user)
        refusal = None
    except FluemanError as error:
        item, refusal = None, error
    shared = {"queue": queue, "last": _last_id(request, queue)}
    shared |= {"progress": progress_of(queue), "mine": mine_of(queue, request.user)}
    if item is None:
        return shared | {"body": "admin/feedback/review/state.html", "state": state_of(request, queue, refusal)}
    return shared | _item_context(request, queue, item)


def _item_context(request: HttpRequest, queue: ReviewQueue, item: ReviewItem) -> dict[str, Any]:
    shown = show_item(request, item, with_answer=not queue.is_blind)
    undone = _undone(request, item)
    names = label_names_in(queue)
    control = control_for(queue, names, chosen=undone.answer if undone else None)
    control |= {"note": undone.note, "is_flagged": undone.is_flagged} if undone else {}
    return {
        "body": "admin/feedback/review/item.html",
        "handle": handle_of(item.pk),
        "shown": shown,
        "names": names,
        "control": control,
        "left_s": _left_s(item.locks.filter(reviewer=request.user).first()),
        "skip_reasons": [
            {"key": str(place), "value": value, "label": label}
            for place, (value, label) in enumerate(SKIP_REASONS.items(), 1)
        ],
    }


def _page(
    model_admin: ModelAdmin, request: HttpRequest, queue: ReviewQueue, refused: FluemanError | None = None
) -> HttpResponseBase:
    item = _posted_item(request, queue) if refused else None
    if item is None:
        context = body_context(request, queue)
    else:  # without a script: the same item, with what was chosen and why it was not kept
        context = {"queue": queue, "progress": progress_of(queue), "mine": mine_of(queue, request.user)}
        context |= _item_context(request, queue, item) | {"error": refused.message if refused else ""}
        context["control"] = control_for(queue, context["names"], chosen=read_answer(queue, request.POST))
        context["control"] |= {"note": request.POST.get("note", ""), "is_flagged": "flagged" in request.POST}
    back = "admin:feedback_reviewqueue_change"
    return model_admin.page(
        request,
        "admin/feedback/review.html",
        title=gettext("Review"),
        back_url=reverse(back, args=[queue.pk]),
        keys=_KEYS,
        words=words(),
        **context,
    )


def _do(request: HttpRequest, queue: ReviewQueue) -> str:
    action = _ACTIONS.get(request.POST.get("do", "submit"))
    if action is None:
        raise Invalid(gettext("The request is malformed."), code="malformed")
    return action(request, queue)


def _submit(request: HttpRequest, queue: ReviewQueue) -> str:
    submit(
        item=_item(request, queue),
        reviewer=request.user,
        answer=read_answer(queue, request.POST),
        note=request.POST.get("note", "")[:LONGEST_NOTE],
        is_flagged="flagged" in request.POST,
    )
    return gettext("Kept.")


def _skip(request: HttpRequest, queue: ReviewQueue) -> str:
    reason = request.POST.get("other_reason", "").strip() or request.POST.get("reason", "")
    skip(item=_item(request, queue), reviewer=request.user, reason=reason)
    return gettext("Skipped.")


def _undo(request: HttpRequest, queue: ReviewQueue) -> str:
    try:
        undo(queue=queue, reviewer=request.user, review_id=_review_id(request.POST.get("last", "")))
    except Conflict as error:
        if error.code != "undone_already":
            raise
    return gettext("It is undone.")


def _review_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(gettext("There is nothing to take back."), code="nothing_to_undo") from None


_ACTIONS: dict[str, Callable[[HttpRequest, ReviewQueue], str]] = {"submit": _submit, "skip": _skip, "undo": _undo}


def _item(request: HttpRequest, queue: ReviewQueue) -> ReviewItem:
    item = _posted_item(request, queue)
    if item is None:
        raise Conflict(gettext("This item is not in the queue any more."), code="gone")
    return item


def _posted_item(request: HttpRequest, queue: ReviewQueue) -> ReviewItem | None:
    try:
        key = pk_of(request.POST.get("item", ""))
    except NotFound:
        return None
    return queue.items.select_related("queue").filter(pk=key).first()


def _left_s(lock: ReviewLock | None) -> int:
    return max(1, round((lock.expires_at - timezone.now()).total_seconds())) if lock else 0


def _keep(request: HttpRequest, queue: ReviewQueue) -> int:
    """Keep the item longer; give for how many seconds, none where somebody else has it."""
    item = _posted_item(request, queue)
    try:
        return _left_s(prolong(item=item, reviewer=request.user)) if item else 0
    except FluemanError:
        return 0


def _last_id(request: HttpRequest, queue: ReviewQueue) -> str:
    """Give the person's last answer that could be undone."""
    own = Review.objects.filter(queue=queue, reviewer=request.user).order_by("-id")
    last: UUID | None = own.exclude(state=Review.State.UNDONE).values_list("id", flat=True).first()
    return str(last) if last else ""


def _undone(request: HttpRequest, item: ReviewItem) -> Review | None:
    """Give what the person said of the item before it was undone, to begin with."""
    said = Review.objects.filter(item=item, reviewer=request.user).order_by("-id").first()
    return said if said and said.state == Review.State.UNDONE else None
