"""Review queues ("what waits for me?") and Queue ("how is reviewing going?")."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.admin import LONGEST_SEARCH, ModelAdmin, Verb, require
from common.display import thousands
from common.errors import FluemanError
from common.strict_json import check_text
from common.wording import in_words
from feedback.admin.figures import SEE, detail_of, figures_of, headline_of
from feedback.admin.golden import new_golden_view
from feedback.admin.improve import improve_links
from feedback.admin.queue_form import QueueForm, cards_of, labels_by_deployment, put_errors, rules_told, typed_cards
from feedback.admin.queue_list import rows_of
from feedback.admin.review import review_view
from feedback.admin.settling import settle_view
from feedback.models import ReviewItem, ReviewQueue
from feedback.services.filling import preview
from feedback.services.queues import change_queue, close_queue, create_queue, reopen_queue

PER_PAGE = 50


def _close(*, obj: ReviewQueue, actor: Any, reason: str) -> str:
    close_queue(queue=obj, actor=actor, reason=reason)
    return gettext("The queue is closed. What was judged stays.")


def _reopen(*, obj: ReviewQueue, actor: Any, reason: str) -> str:
    reopen_queue(queue=obj, actor=actor, reason=reason)
    return gettext("The queue is open again.")


@admin.register(ReviewQueue)
class ReviewQueueAdmin(ModelAdmin):
    """What is judged, by whom, and how it goes."""

    detail_template = "admin/feedback/queue.html"
    verbs = (
        Verb(
            name="close",
            label=_("Close"),
            permission="feedback.change_reviewqueue",
            run=_close,
            is_offered=lambda queue: queue.is_open,
        ),
        Verb(
            name="reopen",
            label=_("Open again"),
            permission="feedback.change_reviewqueue",
            run=_reopen,
            is_offered=lambda queue: not queue.is_open,
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changes have a page of their own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A queue is closed, not deleted: what people judged stays."""
        return False

    def pages(self) -> list[Any]:
        """Add judging, settling, the form, and what it asks for."""
        return [
            ("preview/", require_POST(self.preview_view), "preview"),
            ("<int:key>/edit/", self.edit_view, "edit"),
            ("<int:key>/review/", self._bound(review_view), "review"),
            ("<int:key>/settle/", self._bound(settle_view), "settle"),
            ("<int:key>/figures/", self.figures_view, "figures"),
            ("<int:key>/golden/", self._bound(new_golden_view), "golden"),
        ]

    def _bound(self, view: Any) -> Any:
        return lambda request, **found: view(self, request, **found)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the queues with what waits in them for the person."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        term, after = request.GET.get("q", "").strip()[:LONGEST_SEARCH], request.GET.get("after", "")
        closed = "closed" in request.GET
        found = ReviewQueue.objects.filter(is_open=not closed, name__gt=after)
        found = found.filter(name__icontains=term) if term else found
        queues = list(found.order_by("name").prefetch_related("reviewers")[: PER_PAGE + 1])
        rows = rows_of(request, queues[:PER_PAGE])
        new = {"label": _("New review queue"), "url": reverse("admin:feedback_reviewqueue_add")}
        return self.page(
            request,
            "admin/feedback/queues.html",
            title=gettext("Review queues"),
            headline=_list_headline(rows) if not (term or closed) else gettext("Review queues"),
            links=[new] if self.has_add_permission(request) else [],
            rows=rows,
            q=term,
            closed=closed,
            next_after=queues[PER_PAGE - 1].name if len(queues) > PER_PAGE else "",
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Show the form of a new queue; on POST make it."""
        require(request, "feedback.add_reviewqueue")
        return self._form_view(request, None)

    def edit_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        """Show the form of a queue; on POST change it."""
        require(request, "feedback.change_reviewqueue")
        queue = ReviewQueue.objects.filter(pk=key).first()
        if queue is None:
            raise Http404
        return self._form_view(request, queue)

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """Tell how many each chosen rule of the form would have brought in the last day."""
        if not request.user.has_perms(["feedback.add_reviewqueue", "feedback.view_feedback"]):  # type: ignore[union-attr]
            raise PermissionDenied
        key = request.POST.get("queue", "")
        queue = ReviewQueue.objects.filter(pk=key[:18]).first() if key.isascii() and key.isdigit() else None
        cards = [card for card in typed_cards(queue, request.POST) if card.is_chosen]
        return JsonResponse({card.prefix: _would(card.told(), request) for card in cards})

    def figures_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Give the figures that take long."""
        require(request, SEE)
        queue = ReviewQueue.objects.filter(pk=key).first()
        if queue is None:
            raise Http404
        response = render(request, "admin/feedback/figures.html", figures_of(queue, is_patient=True))
        response["X-Live-Done"] = "1"
        return response

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how far it is and how well people agree."""
        return headline_of(obj)

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the figures, each with the way to its rows."""
        return detail_of(request, obj)

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to judging, settling, and the form."""
        may = request.user.has_perm  # type: ignore[union-attr]
        name, links = "admin:feedback_reviewqueue_", []
        if obj.is_open and may("feedback.add_review"):
            links.append(
                {"label": _("Review"), "url": reverse(f"{name}review", args=[obj.pk]), "primary": True, "key": "r"}
            )
        disputed = obj.items.filter(state=ReviewItem.State.DISPUTED).exists()
        if disputed and may("feedback.adjudicate_reviewqueue"):
            links.append({"label": _("Settle disputes"), "url": reverse(f"{name}settle", args=[obj.pk])})
        if may("datasets.add_datasetversion") and may("feedback.view_reviewitem"):
            url = f"{reverse('admin:feedback_feedback_data')}?queue={obj.pk}"
            links.append({"label": _("Make a dataset version"), "url": url})
        if may("feedback.change_reviewqueue"):
            links.append({"label": _("Edit"), "url": reverse(f"{name}edit", args=[obj.pk])})
        return links + (improve_links(request, [obj.deployment]) if obj.deployment else [])

    def _form_view(self, request: HttpRequest, queue: ReviewQueue | None) -> HttpResponseBase:
        form = QueueForm(request.POST or None, queue=queue, given=request.GET)
        cards = cards_of(queue, given=request.GET.getlist("rule"))
        if request.method == "POST":
            cards = typed_cards(queue, request.POST)
            if form.is_valid():
                try:
                    saved = _save(request, queue, {**form.told(), "rules": rules_told(cards)})
                except (FluemanError, ValidationError) as error:
                    put_errors(form, cards, error)
                else:
                    messages.success(request, gettext("Saved."))
                    return HttpResponseRedirect(self.url_of(saved))
        title = gettext("Edit %(queue)s") % {"queue": queue.name} if queue else gettext("New review queue")
        return self.page(
            request,
            "admin/feedback/queue_form.html",
            title=title,
            form=self.dress(form),
            cards=cards,
            queue=queue,
            labels=labels_by_deployment(),
            preview_url=reverse("admin:feedback_reviewqueue_preview"),
            back_url=self.url_of(queue) if queue else self.list_url(),
        )


def _save(request: HttpRequest, queue: ReviewQueue | None, told: dict[str, Any]) -> ReviewQueue:
    if queue is None:
        return create_queue(actor=request.user, **told)
    told.pop("name")
    return change_queue(queue=queue, actor=request.user, **told)


def _would(rule: dict[str, Any], request: HttpRequest) -> str:
    try:
        deployment = check_text(request.POST.get("deployment", ""), field="deployment")
        seen = preview(kind=rule["kind"], values=rule, deployment=deployment, seconds=0.5)
    except FluemanError as error:
        return in_words(error.message)
    said = {"found": thousands(seen.found), "looked": thousands(seen.looked)}
    if not seen.looked:
        return gettext("There was nothing to look at in the last day.")
    if seen.is_whole:
        return gettext("Would have brought %(found)s of %(looked)s in the last day.") % said
    return gettext("Would have brought %(found)s of the first %(looked)s of the last day.") % said


def _list_headline(rows: list[Any]) -> str:
    waiting = [row for row in rows if row["waiting"]]
    if not rows:
        return gettext("There is no review queue yet")
    if not waiting:
        return gettext("Nothing waits for you")
    said = ngettext("%(count)s queue has items for you", "%(count)s queues have items for you", len(waiting))
    return said % {"count": thousands(len(waiting))}
