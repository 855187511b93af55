"""Golden answers: items whose answer is known, and how reviewers did on them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ModelAdmin, ReadOnlyAdmin, require
from common.confirm import show_refusal
from common.display import ago, percent, thousands
from common.errors import FluemanError
from feedback.admin.answers import answer_words
from feedback.admin.item_verbs import AnswerWidget
from feedback.admin.items import detail_of_item
from feedback.admin.showing import names_by_version, words_of
from feedback.models import GoldenAnswer, Review, ReviewItem, ReviewQueue
from feedback.services.settling import add_golden
from inference.models import Deployment
from inference.services import live_version
from registry.signature import Signature


@admin.register(GoldenAnswer)
class GoldenAnswerAdmin(ReadOnlyAdmin):
    """Items whose right answer is known."""

    question = _("Items whose right answer is known, mixed in among the others: they show how reliable a reviewer is.")
    empty_text = _("Make an item golden from its own page, or write one by hand from the page of its queue.")
    detail_template = "admin/feedback/item.html"
    list_display = ("what", "queue", "right", "tried", "share", "made")
    list_select_related = ("item__queue", "created_by")
    list_filter = (("item__queue", admin.RelatedOnlyFieldListFilter),)
    paginator = KeysetPaginator
    sortable_by = ()

    def enrich(self, rows: list[Any]) -> None:
        """Read what labels are called, and how reviewers did."""
        names = names_by_version([row.item for row in rows])
        said = Review.objects.filter(item__in=[row.item_id for row in rows], state=Review.State.COUNTS).order_by()
        counted = said.values_list("item").annotate(tries=Count("pk"), right=Count("pk", filter=Q(is_right=True)))
        results = {key: (tries, right) for key, tries, right in counted}
        for row in rows:
            row.names = names.get(row.item.version_id, {})
            row.tries, row.right_tries = results.get(row.item_id, (0, 0))

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what is right."""
        names = names_by_version([obj.item]).get(obj.item.version_id, {})
        said = {"queue": obj.item.queue.name, "answer": answer_words(obj.answer, names)}
        return gettext("%(queue)s: “%(answer)s” is right") % said

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the page of its item."""
        return {**detail_of_item(request, obj.item), "original": obj.item}

    @admin.display(description=_("what is judged"))
    def what(self, obj: Any) -> SafeString:
        """Give the first words of the input."""
        return format_html('<span class="rv-words">{}</span>', words_of(obj.item.input)[:160])

    @admin.display(description=_("queue"))
    def queue(self, obj: Any) -> str:
        """Name the queue."""
        return obj.item.queue.name

    @admin.display(description=_("right answer"))
    def right(self, obj: Any) -> str:
        """Give the answer in words."""
        return answer_words(obj.answer, obj.names)

    @admin.display(description=_("answers"))
    def tried(self, obj: Any) -> str:
        """Count what reviewers said of it."""
        return thousands(obj.tries)

    @admin.display(description=_("of them right"))
    def share(self, obj: Any) -> str:
        """Give the share that was right; a low one is a hint that the answer is doubtful."""
        return percent(obj.right_tries / obj.tries) if obj.tries else "–"

    @admin.display(description=_("made"))
    def made(self, obj: Any) -> SafeString:
        """Tell when."""
        return ago(obj.created_at)


def new_golden_view(model_admin: ModelAdmin, request: HttpRequest, key: int) -> HttpResponseBase:
    """Show the form of a golden item by hand; on POST make it. Raises Http404."""
    require(request, "feedback.adjudicate_reviewqueue")
    queue = ReviewQueue.objects.filter(pk=key).first()
    if queue is None:
        raise Http404
    form = _form_for(queue)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        name = _input_name(queue)
        try:
            add_golden(
                queue=queue, actor=request.user, input={name: given["text"]}, answer=given["answer"],
                explanation=given["explanation"],
            )  # fmt: skip
        except FluemanError as error:
            show_refusal(form, error)
        else:
            messages.success(request, gettext("The golden item is in the queue."))
            return HttpResponseRedirect(model_admin.url_of(queue))
    return model_admin.page(
        request,
        "admin/feedback/golden.html",
        title=gettext("%(queue)s: new golden item") % {"queue": queue.name},
        form=model_admin.dress(form),
        back_url=model_admin.url_of(queue),
        queue=queue,
    )


def _form_for(queue: ReviewQueue) -> type[forms.Form]:
    class HandForm(forms.Form):
        text = forms.CharField(
            label=_("Text to judge"),
            max_length=100_000,
            widget=forms.Textarea(attrs={"rows": 4}),
            help_text=_("It should look like the other items of the queue, or reviewers notice."),
        )
        answer = forms.Field(label=_("Right answer"), widget=AnswerWidget(ReviewItem(queue=queue)))
        explanation = forms.CharField(
            label=_("Explanation"), required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 2})
        )

    return HandForm


def _input_name(queue: ReviewQueue) -> str:
    """Give what the deployment's model calls its text, so that a golden item looks like the others."""
    deployment = Deployment.objects.filter(name=queue.deployment).first()
    version = live_version(deployment) if deployment else None
    signature: Signature | None = version.parsed_signature() if version else None
    texts = [spec.name for spec in signature.inputs if spec.datatype == "BYTES"] if signature else []
    return texts[0] if texts else "text"
