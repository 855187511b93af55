"""Reviewed items, and feedback with its calls, as rows of a dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from common.ids import floor_of
from feedback.copies import is_cut
from feedback.models import Feedback, Review, ReviewItem, ReviewQueue
from inference.log.cases import Asked, Case, cases_of

AT_ONCE = 500
FINISHED = (ReviewItem.State.AGREED, ReviewItem.State.SETTLED)
IS_DATA = {"state__in": FINISHED, "is_golden": False}  # golden items measure people
RIGHT = {"label": "label", "labels": "labels", "text": "answer", "rating": "rating"}  # column by kind of answer
# What rows hold besides inputs and the right answer; inputs of these names get "input " before them.
FACTS = {
    "model_answer": "text", "feedback_labels": "text", "comment": "text", "note": "text", "agreement": "number",
    "reviews": "integer", "queue": "text", "item": "integer", "request": "text", "row": "integer", "model": "text",
    "version": "integer", "at": "datetime",
}  # fmt: skip
TYPES = {**FACTS, "label": "text", "answer": "text", "thumb": "integer", "rating": "integer"}
# Columns without free text: ids would look like numbers of cards to whoever masks.
CLOSED = (FACTS.keys() | RIGHT.values() | {"thumb"}) - {"model_answer", "feedback_labels", "comment", "note", "answer"}
CLOSED_SAID = CLOSED - {"label"}  # of feedback: people write right answers as they like
TOO_LITTLE, NO_INPUT, NOT_FINISHED, CUT = "too_little_agreement", "no_input", "not_finished", "cut_text"
Row = dict[str, Any]


def input_column(name: str) -> str:
    """Give the column of an input; no column of a dataset begins as a pattern or as what jobs add of their own does."""
    is_taken = name in FACTS or name in RIGHT.values() or name.startswith(("^", "*", "__"))
    return f"input {name}" if is_taken else name


def finished_items(queues: Sequence[ReviewQueue]) -> QuerySet[ReviewItem]:
    """Give the items of some queues that are agreed or settled."""
    return ReviewItem.objects.filter(queue__in=queues, **IS_DATA)


def keys_of(items: QuerySet[ReviewItem]) -> list[int]:
    """Give the keys of items in their order."""
    return list(items.order_by("pk").values_list("pk", flat=True))


def reviewed_rows(keys: Sequence[int], *, least_agreement: float, dropped: Counter[str]) -> Iterator[Row]:
    """Give a row for each item whose reviewers agree at least so much; count the others by reason.

    Items that were left out or opened again since their keys were gathered are counted, too.
    """
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        items = list(ReviewItem.objects.filter(pk__in=some, **IS_DATA).select_related("queue"))
        if len(items) < len(some):
            dropped[NOT_FINISHED] += len(some) - len(items)
        votes = _votes(items)
        said = Feedback.objects.in_bulk([item.feedback_id for item in items if item.feedback_id])
        for item in sorted(items, key=lambda item: item.pk):
            counts, notes = votes[item.pk]
            agreement = max(counts) / sum(counts) if counts else 1.0  # nobody has said otherwise
            if agreement < least_agreement:
                dropped[TOO_LITTLE] += 1
            elif not item.input or item.final_answer is None or any(isinstance(v, dict) for v in item.input.values()):
                dropped[NO_INPUT] += 1
            elif is_cut(list(item.input.values())):
                dropped[CUT] += 1
            else:
                yield _of_item(item, agreement, sum(counts), notes, said.get(item.feedback_id))


def given_rows(deployment: str, since: datetime | None, until: datetime, dropped: Counter[str]) -> Iterator[Row]:
    """Give a row for each piece of feedback on calls of a deployment, with what was asked and answered."""
    after = floor_of(since) if since else UUID(int=0)
    rows = Feedback.objects.filter(deployment=deployment, target=Feedback.Target.PREDICTION, pk__lt=floor_of(until))
    while found := list(rows.filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
        after = found[-1].pk
        said: dict[Asked, list[Feedback]] = defaultdict(list)
        for one in found:
            said[one.request_id, one.row].append(one)
        for asked, case in cases_of(list(said)):
            if case.inputs:
                yield from (_of_feedback(one, case) for one in said.pop(asked))
        dropped[NO_INPUT] += sum(map(len, said.values()))


def _votes(items: Iterable[ReviewItem]) -> dict[int, tuple[list[int], list[str]]]:
    """Give by item how many have said the same, for each answer, and what they noted."""
    counted = Review.objects.filter(item__in=items, state=Review.State.COUNTS)
    found: dict[int, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
    for item, _key, count in counted.order_by().values_list("item_id", "answer_key").annotate(count=Count("pk")):
        found[item][0].append(count)
    for item, note in counted.exclude(note="").order_by("pk").values_list("item_id", "note"):
        found[item][1].append(note)
    return found


def _of_item(item: ReviewItem, agreement: float, reviews: int, notes: list[str], said: Feedback | None) -> Row:
    answer = item.final_answer
    if item.queue.answer == ReviewQueue.Answer.TEXT and not isinstance(answer, str):
        answer = str(answer)
    return {
        **{input_column(name): value for name, value in item.input.items()},
        RIGHT[item.queue.answer]: answer,
        "model_answer": answer_of(item.output),
        "feedback_labels": "; ".join(said.labels) if said else None,
        "comment": said.comment if said else None,
        "note": "\n".join([*notes, *filter(None, [item.settled_note])]) or None,
        "agreement": agreement,
        "reviews": reviews,
        "queue": item.queue.name,
        "item": item.pk,
        "request": str(item.request_id) if item.request_id else None,
        "row": item.row,
        "model": item.model,
        "version": item.version,
        "at": item.finished_at,
    }


def _of_feedback(said: Feedback, case: Case) -> Row:
    right = said.correction if said.has_correction else case.label if said.thumb == 1 else None
    return {
        **{input_column(name): value for name, value in case.inputs.items()},
        "label": right if isinstance(right, str | int | float | None) else str(right),
        "model_answer": case.label or answer_of(case.output),
        "thumb": said.thumb,
        "rating": said.rating,
        "feedback_labels": "; ".join(said.labels),
        "comment": said.comment,
        "request": str(said.request_id),
        "row": said.row,
        "model": said.model,
        "version": said.version,
        "at": said.created_at,
    }


def answer_of(output: Mapping[str, Any]) -> str:
    """Give what a model answered in one cell: its label, its one output, or all of them."""
    if isinstance(output.get("label"), str):
        return str(output["label"])
    if len(output) == 1:
        return str(next(iter(output.values())))
    return ", ".join(f"{name}: {value}" for name, value in output.items())
