"""Inbox ("what do people say of our answers?"), one piece of feedback, and giving it from the back office."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin, require
from common.display import figure, thousands, with_figures
from common.errors import FluemanError
from common.numbers import whole
from common.onlooker import Onlooker
from common.wording import in_words
from feedback.admin.answers import joined
from feedback.admin.criteria import DEFAULT_RANGE, RANGE_LABELS, THUMBS, chosen_of, filtered, in_review
from feedback.admin.data import data_view
from feedback.admin.erasing import ERASE
from feedback.admin.improve import improve_live_view, improve_view
from feedback.admin.said import correction_words, lines_of, said_of, stars, thumb_of
from feedback.models import Feedback, ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.feedback import give_feedback, person_of_user
from feedback.services.filling import add_items
from feedback.sight import sees_all_items
from feedback.targets import find_target
from inference.admin.values import show_input, show_output
from inference.bodies.readable import show_values
from inference.labels import label_names
from inference.log.cases import cases_of
from inference.models import Deployment
from inference.withholding import REASON, withheld
from registry.models import ModelVersion

PER_PAGE = 50
MOST_COUNTED = 10_000
MOST_QUEUED = 1000
MAY_QUEUE = "feedback.adjudicate_reviewqueue"


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """What people said, newest first."""

    detail_template = "admin/feedback/feedback.html"
    verbs = (ERASE,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        """Narrow to what this person may see."""
        return Feedback.objects.visible_to(request.user)  # type: ignore[arg-type]

    def pages(self) -> list[Any]:
        """Add giving it, putting it into review, reviewed items as data, and a model's way round the loop."""
        return [
            ("say/", self.say_view, "say"),
            ("review/", self.review_view, "review"),
            ("data/", lambda request: data_view(request, self), "data"),
            ("improve/<str:model>/", lambda request, model: improve_view(request, self, model), "improve"),
            ("improve/<str:model>/live/", improve_live_view, "improve_live"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show one page of what the filters find."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        chosen = chosen_of(request.GET)
        found, cursor = filtered(self.get_queryset(request), chosen), _key(request.GET.get("cursor", ""))
        rows = list((found.filter(pk__lt=cursor) if cursor else found)[: PER_PAGE + 1])
        page = rows[:PER_PAGE]
        own = {name: value for name, value in chosen.items() if value}
        return self.page(
            request,
            "admin/feedback/inbox.html",
            title=gettext("Feedback"),
            headline=_headline(self.get_queryset(request)),
            lines=lines_of(page, Onlooker(request.user)),
            chosen=chosen,
            is_filtered=bool(own.keys() - {"range"}),
            ranges=[
                (label, f"?{urlencode({**own, 'range': name})}", name == (chosen["range"] or DEFAULT_RANGE))
                for name, label in RANGE_LABELS.items()
            ],
            thumbs=THUMBS,
            ratings=[(str(number), stars(number)) for number in range(1, 6)],
            sources=Feedback.Source.choices,
            deployments=list(Deployment.objects.values_list("name", flat=True)[:200]),
            version=ModelVersion.objects.filter(pk=chosen["version"] or None).select_related("model").first(),
            older_url=f"?{urlencode({**own, 'cursor': page[-1].pk})}" if len(rows) > PER_PAGE else "",
            first_url=f"?{urlencode(own)}" if cursor else "",
            links=_links(request, own) if page else [],
        )

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say who judged what how."""
        names = label_names(_version(obj))
        if right := correction_words(obj, names):
            said = gettext("%(person)s says the right answer is “%(answer)s”")
            return said % {"person": obj.person, "answer": right[:80]}
        told = {"person": obj.person, "name": obj.deployment or obj.model, "rating": obj.rating}
        if obj.thumb is not None:
            good, bad = (
                gettext("%(person)s gives an answer of %(name)s a thumbs up"),
                gettext("%(person)s gives an answer of %(name)s a thumbs down"),
            )
            return (good if obj.thumb > 0 else bad) % told
        if obj.rating:
            return gettext("%(person)s gives an answer of %(name)s %(rating)d of 5") % told
        return gettext("%(person)s says: %(words)s") % {"person": obj.person, "words": said_of(obj, names)[:100]}

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to the request, and to review."""
        links = []
        if obj.request_id and request.user.has_perm("inference.view_inferencerequest"):  # type: ignore[union-attr]
            url = reverse("admin:inference_inferencerequest_change", args=[obj.request_id])
            links.append({"label": _("The request"), "url": url})
        if obj.request_id and request.user.has_perm(MAY_QUEUE):  # type: ignore[union-attr]
            query = urlencode({"request": obj.request_id, "range": "any"})
            url = f"{reverse('admin:feedback_feedback_review')}?{query}"
            links.append({"label": _("Put into review"), "url": url, "primary": True})
        return links

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the answer that it speaks of, what was said, and what was said before."""
        version = _version(obj)
        names, signature = label_names(version), version.parsed_signature() if version else None
        target = (obj.request_id, obj.row)
        case = dict(cases_of([target])).get(target) if obj.request_id else None
        answer: Any = show_output(show_values(case.output, signature), names) if case else ""
        if obj.request_id and withheld(Onlooker(request.user), [obj.request_id]):
            answer = REASON
        sees_items = obj.request_id and sees_all_items(Onlooker(request.user))
        items = ReviewItem.objects.filter(request_id=obj.request_id, row=obj.row).select_related("queue")
        return {
            "inputs": [(one.name, show_input(one)) for one in show_values(case.inputs, signature)] if case else [],
            "answer": answer,
            "thumb": thumb_of(obj),
            "stars": stars(obj.rating),
            "right": correction_words(obj, names),
            "revisions": [(one, _words(one.said, names)) for one in obj.revisions.order_by("-id")[:50]],
            "items": items if sees_items else [],
            "version_row": version,
        }

    def say_view(self, request: HttpRequest) -> HttpResponse:
        """Take what somebody says on the page of a request, and lead back there."""
        require(request, "feedback.add_feedback")
        key = _key(request.POST.get("request_id", ""))
        if request.method != "POST" or key is None:
            return HttpResponseRedirect(self.list_url())
        try:
            judged = find_target({"request_id": key, "row": _row(request)}, caller=Onlooker(request.user))
            person = person_of_user(request.user)
            give_feedback(judged=judged, person=person, source=Feedback.Source.ADMIN, said=_said(request))
            messages.success(request, gettext("Thank you. It is kept with the request."))
        except FluemanError as error:
            messages.error(request, " ".join(map(in_words, error.fields.values())) or in_words(error.message))
        return HttpResponseRedirect(reverse("admin:inference_inferencerequest_change", args=[key]) + "#feedback")

    def review_view(self, request: HttpRequest) -> HttpResponse:
        """Put what the filters find into a queue, up to a thousand at a time."""
        require(request, MAY_QUEUE)
        chosen = chosen_of(request.GET)
        found = filtered(self.get_queryset(request), chosen).filter(request_id__isnull=False)
        keys = list(found.values_list("pk", "request_id", "row")[: MOST_QUEUED + 1])
        form = QueueChoice(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            sources = [Source(request_id=call, row=row, feedback_id=pk) for pk, call, row in keys[:MOST_QUEUED]]
            queue = form.cleaned_data["queue"]
            try:
                added = add_items(queue=queue, sources=sources, actor=request.user, reason="feedback")  # type: ignore[arg-type]
            except FluemanError as error:
                form.add_error("queue", in_words(error.message))
            else:
                said = ngettext("%(count)s new item is in the queue.", "%(count)s new items are in the queue.", added)
                messages.success(request, said % {"count": thousands(added)})
                return HttpResponseRedirect(reverse("admin:feedback_reviewqueue_change", args=[queue.pk]))
        return self.page(
            request,
            "admin/feedback/into_review.html",
            title=gettext("Put into review"),
            count=min(len(keys), MOST_QUEUED),
            has_more=len(keys) > MOST_QUEUED,
            back=f"{self.list_url()}?{urlencode({name: value for name, value in chosen.items() if value})}",
            form=self.dress(form),
        )


class QueueChoice(forms.Form):
    """Which queue."""

    queue = forms.ModelChoiceField(
        ReviewQueue.objects.filter(is_open=True), label=_("Review queue"), empty_label=None,
        help_text=_("What is there already comes in only once."),
    )  # fmt: skip


def _headline(rows: QuerySet[Feedback]) -> str | SafeString:
    """Answer the question of the page: how bad was the last day, and what is nobody looking at?"""
    bad = filtered(rows, chosen_of({"thumb": "-1", "range": "24h"}))
    count = bad[:MOST_COUNTED].count()
    if not count:
        return gettext("No thumb down in the last day")
    left = bad.filter(~in_review())[:MOST_COUNTED].count()
    words = ngettext("%(count)s thumb down in the last day", "%(count)s thumbs down in the last day", count)
    said = with_figures(words, count=_counted(count))
    if not left:
        return with_figures(gettext("%(said)s, all in review"), said=said)
    return with_figures(gettext("%(said)s, %(left)s not yet in review"), said=said, left=_counted(left, review="no"))


def _counted(count: int, **more: str) -> SafeString:
    """Give how many thumbs down of the last day there are, with the way to them."""
    said = thousands(count) + ("+" if count == MOST_COUNTED else "")
    asked = urlencode({"thumb": "-1", "range": "24h", **more})
    return figure(said, f"{reverse('admin:feedback_feedback_changelist')}?{asked}")


def _links(request: HttpRequest, own: dict[str, str]) -> list[dict[str, Any]]:
    """Give what can be done with all that the filters find."""
    may, links = request.user.has_perm, []  # type: ignore[union-attr]
    if may(MAY_QUEUE):
        url = f"{reverse('admin:feedback_feedback_review')}?{urlencode(own)}"
        links.append({"label": _("Put these into review"), "url": url, "primary": True})
    if may("datasets.add_source") and own.get("deployment"):
        query = urlencode({"kind": "feedback", "s_deployment": own["deployment"]})
        links.append({"label": _("Copy as a dataset"), "url": f"{reverse('admin:datasets_dataset_import')}?{query}"})
    return links


def _said(request: HttpRequest) -> dict[str, Any]:
    """Give what was filled in."""
    said: dict[str, Any] = {}
    if request.POST.get("thumb") in ("1", "-1"):
        said["thumb"] = int(request.POST["thumb"])
    for name in ("correction", "comment"):
        if text := request.POST.get(name, "").strip():
            said[name] = text
    return said


def _row(request: HttpRequest) -> int:
    return (whole(request.POST.get("row", "1"), least=1) or 1) - 1


def _words(said: dict[str, Any], names: dict[str, str]) -> str:
    row = Feedback(**said, has_correction=said.get("correction") is not None)
    thumb = {1: gettext("thumbs up"), -1: gettext("thumbs down")}.get(row.thumb or 0, "")
    return joined([thumb, said_of(row, names)]) or "–"


def _version(obj: Feedback) -> ModelVersion | None:
    return ModelVersion.objects.filter(pk=obj.version_id).select_related("model").first() if obj.version_id else None


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
