"""The control of each kind of answer, what was chosen in it, and an answer in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.numbers import whole
from feedback.models import ReviewQueue

Answer = ReviewQueue.Answer
# After the digits the letters that do nothing else: f flags, g goes, j and k step, n notes, s skips, u undoes.
KEYS = "1234567890abcdehilmopqrtvwxyz"
MANY = 12
_QUESTIONS = {
    Answer.LABEL: _("Which label is right?"),
    Answer.LABELS: _("Which labels are right? Choose all."),
    Answer.TEXT: _("What is the right answer?"),
    Answer.RATING: _("How good is the answer?"),
}
_ENDS = {"1": _("bad"), "5": _("very good")}


def control_for(queue: ReviewQueue, names: Mapping[str, str], *, chosen: Any = None) -> dict[str, Any]:
    """Give the control of a queue, with what is `chosen`."""
    control = {"kind": queue.answer, "question": _QUESTIONS[Answer(queue.answer)]}
    if queue.answer == Answer.TEXT:
        return control | {"text": chosen or ""}
    values = [str(number) for number in range(1, 6)] if queue.answer == Answer.RATING else queue.choices
    picked = {str(one) for one in (chosen if isinstance(chosen, list) else [chosen]) if one is not None}
    choices = [
        {
            "value": value,
            "label": names.get(value, value),
            "key": KEYS[place] if place < len(KEYS) else "",
            "is_chosen": value in picked,
            "note": _ENDS.get(value, "") if queue.answer == Answer.RATING else "",
        }
        for place, value in enumerate(values)
    ]
    return control | {"choices": choices, "is_many": len(choices) > MANY}


def read_answer(queue: ReviewQueue, data: QueryDict) -> Any:
    """Give what was chosen, in the form that the services take; what it may be they decide."""
    if queue.answer == Answer.LABELS:
        return data.getlist("answer")
    given = data.get("answer", "")
    if queue.answer == Answer.RATING:
        rating = whole(given)
        return given if rating is None else rating
    return given


def answer_words(answer: Any, names: Mapping[str, str]) -> str:
    """Give an answer as a reader says it."""
    if answer is None:
        return ""
    if isinstance(answer, list):
        return ", ".join(names.get(str(one), str(one)) for one in answer) or gettext("none of them")
    if isinstance(answer, int):
        return "★" * answer + "☆" * (5 - answer)
    return names.get(str(answer), str(answer))


def joined(parts: Iterable[str]) -> str:
    """Give the parts that say something, with dots between."""
    return " · ".join(part for part in parts if part)
