"""Feedback as lines: what was asked and answered, what was said of it, by whom, and whether it is in review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from common.display import badge
from common.onlooker import Onlooker
from feedback.admin.answers import joined
from feedback.gathering import answer_of
from feedback.models import Feedback, ReviewItem
from inference.bodies.readable import first_words
from inference.labels import label_names_of
from inference.log import search as log
from inference.models import InferenceRequest
from inference.withholding import withheld


@dataclass(frozen=True, slots=True)
class Line:
    """One piece of feedback in a list."""

    row: Feedback
    url: str
    thumb: SafeString | str
    asked: str
    answered: str
    said: str
    request_url: str
    review_url: str


def lines_of(rows: Sequence[Feedback], onlooker: Onlooker) -> list[Line]:
    """Give feedback as lists show it, in a few queries for all; answers that are kept back are left out."""
    names = label_names_of(row.version_id for row in rows if row.version_id)
    wanted = {row.request_id for row in rows if row.request_id}
    calls = {call.pk: call for call in log.summaries(InferenceRequest.objects.all(), list(wanted))}
    queued, hidden = items_by_target(rows), withheld(onlooker, wanted)
    return [
        _line(
            row,
            calls.get(row.request_id),  # type: ignore[arg-type]
            names.get(row.version_id, {}),  # type: ignore[arg-type]
            queued,
            is_withheld=row.request_id in hidden,
        )
        for row in rows
    ]


def items_by_target(rows: Sequence[Feedback]) -> dict[tuple[UUID, int], int]:
    """Give an item of review for each target that has one."""
    wanted = {row.request_id for row in rows if row.request_id}
    items = ReviewItem.objects.filter(request_id__in=wanted).order_by("pk").values_list("request_id", "row", "pk")
    return {(request_id, row): pk for request_id, row, pk in items}


def _line(
    row: Feedback, call: Any, names: dict[str, str], queued: dict[tuple[UUID, int], int], *, is_withheld: bool
) -> Line:
    item = queued.get((row.request_id, row.row)) if row.request_id else None
    answered = ""
    if call is not None and row.row == 0 and not is_withheld:
        answered = names.get(call.first_label, call.first_label) or first_words(call.first_output or "")
    request_url = reverse("admin:inference_inferencerequest_change", args=[row.request_id]) if row.request_id else ""
    return Line(
        row,
        reverse("admin:feedback_feedback_change", args=[row.pk]),
        thumb_of(row),
        _asked(row, call),
        answered,
        said_of(row, names),
        request_url if call is not None else "",
        reverse("admin:feedback_reviewitem_change", args=[item]) if item else "",
    )


def thumb_of(row: Feedback) -> SafeString | str:
    """Show the thumb, else the stars."""
    if row.thumb is not None:
        is_up = row.thumb > 0
        return badge("up", gettext("thumbs up"), "good") if is_up else badge("down", gettext("thumbs down"), "bad")
    return stars(row.rating)


def stars(rating: int | None) -> SafeString | str:
    """Show a rating."""
    if rating is None:
        return ""
    said = gettext("%(rating)d of 5") % {"rating": rating}
    return format_html('<span role="img" aria-label="{}">{}</span>', said, "★" * rating + "☆" * (5 - rating))


def said_of(row: Feedback, names: dict[str, str]) -> str:
    """Give the words of it in one line: right answer, stars beside a thumb, labels, comment."""
    right = correction_words(row, names)
    return joined(
        [
            gettext("right: %(answer)s") % {"answer": right} if right else "",
            str(stars(row.rating)) and f"{row.rating}/5" if row.thumb is not None and row.rating else "",
            ", ".join(row.labels),
            row.comment[:200],
        ]
    )


def correction_words(row: Feedback, names: dict[str, str]) -> str:
    """Give the right answer as a reader says it."""
    if not row.has_correction:
        return ""
    if isinstance(row.correction, dict):
        return answer_of(row.correction)
    return names.get(str(row.correction), str(row.correction))


def _asked(row: Feedback, call: Any) -> str:
    if row.batch_run_id:
        return gettext("row %(row)d of a batch run") % {"row": row.row + 1}
    if call is None:
        return gettext("The request is no longer in the log.")
    if row.row:
        return gettext("row %(row)d of a request") % {"row": row.row + 1}
    return first_words(call.input_start) or gettext("large input")
