"""What may be done to one review item: left out, taken back, made golden, given to somebody else."""

from __future__ import annotations

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import Verb
from common.confirm import ReasonForm
from common.display import person_name
from feedback.admin.answers import control_for, read_answer
from feedback.admin.queue_form import possible_reviewers
from feedback.admin.showing import label_names_in
from feedback.models import ReviewItem
from feedback.services.assignment import reassign, release
from feedback.services.settling import leave_out, make_golden, take_back

State = ReviewItem.State
ADJUDICATE, CHANGE = "feedback.adjudicate_reviewqueue", "feedback.change_reviewqueue"


class AnswerWidget(forms.Widget):
    """The control of a queue's answers."""

    def __init__(self, item: ReviewItem) -> None:
        super().__init__()
        self.item = item

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Give the control with the answer that is known."""
        queue = self.item.queue
        control = control_for(queue, label_names_in(queue), chosen=value)
        return render_to_string("admin/feedback/parts/answer_widget.html", {"control": control})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Give what was chosen."""
        return read_answer(self.item.queue, data)


def _leave_out(*, obj: ReviewItem, actor: Any, reason: str) -> str:
    leave_out(item=obj, actor=actor, reason=reason)
    return gettext("It is left out: nobody judges it, and it goes into no dataset.")


def _take_back(*, obj: ReviewItem, actor: Any, reason: str) -> str:
    take_back(item=obj, actor=actor, reason=reason)
    return gettext("It is back in the queue.")


def _golden_form(item: ReviewItem) -> type[forms.Form]:
    class GoldenForm(ReasonForm):
        reason = None  # type: ignore[assignment]
        answer = forms.Field(label=_("Right answer"), widget=AnswerWidget(item), initial=item.final_answer)
        explanation = forms.CharField(
            label=_("Explanation"),
            required=False,
            max_length=10_000,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text=_("Why this is the right answer, for whoever talks about it with reviewers."),
        )

    return GoldenForm


def _make_golden(*, obj: ReviewItem, actor: Any, answer: Any, explanation: str) -> str:
    make_golden(item=obj, actor=actor, answer=answer, explanation=explanation)
    return gettext("It is a golden item now. Reviewers cannot tell it from others.")


def _holders(item: ReviewItem) -> list[User]:
    return [lock.reviewer for lock in item.locks.select_related("reviewer")]


def _release_form(item: ReviewItem) -> type[forms.Form]:
    class ReleaseForm(ReasonForm):
        reviewer = forms.TypedChoiceField(
            label=_("It is before"), coerce=int, choices=[(one.pk, person_name(one)) for one in _holders(item)]
        )

    return ReleaseForm


def _release(*, obj: ReviewItem, actor: Any, reviewer: int, reason: str) -> str:
    release(item=obj, reviewer=User.objects.get(pk=reviewer), actor=actor, reason=reason)
    return gettext("It is free for others.")


def _reassign_form(item: ReviewItem) -> type[forms.Form]:
    class ReassignForm(_release_form(item)):  # type: ignore[misc]
        to = forms.TypedChoiceField(label=_("Give it to"), coerce=int, choices=lambda: _candidates(item))

    return ReassignForm


def _candidates(item: ReviewItem) -> list[tuple[int, str]]:
    named = list(item.queue.reviewers.all()) or possible_reviewers()
    there = {one.pk for one in _holders(item)}
    return [(one.pk, person_name(one)) for one in named if one.pk not in there]


def _reassign(*, obj: ReviewItem, actor: Any, reviewer: int, to: int, reason: str) -> str:
    person = User.objects.get(pk=to)
    reassign(item=obj, reviewer=User.objects.get(pk=reviewer), to=person, actor=actor, reason=reason)
    return gettext("It is before %(person)s now.") % {"person": person_name(person)}


VERBS = (
    Verb(
        name="golden",
        label=_("Make it golden"),
        permission=ADJUDICATE,
        run=_make_golden,
        form=_golden_form,
        is_offered=lambda item: not item.is_golden and item.state != State.LEFT_OUT,
    ),
    Verb(
        name="reassign",
        label=_("Give to somebody else"),
        permission=CHANGE,
        run=_reassign,
        form=_reassign_form,
        is_offered=lambda item: item.locks.exists(),
    ),
    Verb(
        name="release",
        label=_("Set free"),
        permission=CHANGE,
        run=_release,
        form=_release_form,
        is_offered=lambda item: item.locks.exists(),
    ),
    Verb(
        name="leave-out",
        label=_("Leave out"),
        permission=ADJUDICATE,
        run=_leave_out,
        is_offered=lambda item: item.state != State.LEFT_OUT,
        is_destructive=True,
    ),
    Verb(
        name="take-back",
        label=_("Have it judged again"),
        permission=ADJUDICATE,
        run=_take_back,
        is_offered=lambda item: item.state in (State.LEFT_OUT, State.SETTLED),
    ),
)
