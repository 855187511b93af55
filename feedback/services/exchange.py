"""Items of a queue for Label Studio and Argilla, and answers that come back from there."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, FluemanError, Invalid, NotFound
from common.onlooker import Onlooker
from common.transactions import transactional
from datasets.content import local_path
from feedback.answers import clean_answer, key_of
from feedback.gathering import answer_of
from feedback.handles import handle_of, pk_of
from feedback.interchange import argilla, label_studio
from feedback.interchange.forms import Answered, Exchanged
from feedback.interchange.lines import Aside, read_lines
from feedback.models import Review, ReviewItem, ReviewQueue
from feedback.services.settling import settle
from feedback.sight import hidden_of
from files.models import StoredFile
from files.services import name_blob, store
from files.storage import told_when_full
from jobs import services as jobs
from jobs.models import Job

EXPORT, IMPORT = "feedback.export_items", "feedback.import_answers"
AT_ONCE = 500
OPEN = (ReviewItem.State.WAITING, ReviewItem.State.DISPUTED)


class Format(NamedTuple):
    """How items are written, and answers read."""

    label: str
    write: Callable[[Exchanged], dict[str, Any]]
    read: Callable[[Mapping[str, Any], str], Answered]


FORMATS = {
    "label_studio": Format("Label Studio", label_studio.task_of, label_studio.read_task),
    "argilla": Format("Argilla", argilla.record_of, argilla.read_record),
}


@transactional
def begin_export(*, queue: ReviewQueue, tool: str, actor: Any, has_answers: bool = True) -> Job:
    """Put the writing of a queue's items in the queue of jobs; its result names a file of the actor's.

    Without `has_answers` neither the model's answer nor people's go along, for reviewers who shall see none.
    """
    _demand_tool(tool)
    payload = {"queue": queue.pk, "tool": tool, "has_answers": has_answers}
    key = f"{EXPORT}.{queue.pk}.{getattr(actor, 'pk', '')}.{tool}.{has_answers:d}"
    job = jobs.enqueue(kind=EXPORT, payload=payload, actor=actor, target=queue, key=key)
    record(action="feedback.items_exported", actor=actor, target=queue, after={"tool": FORMATS[tool].label})
    return job


def export_items(
    *,
    queue: ReviewQueue,
    tool: str,
    has_answers: bool,
    owner: Any,
    report: Callable[[float], None],
) -> dict[str, Any]:
    """Write a queue's items into a file of the owner's, as one list. Not inside a transaction. Raises Conflict.

    What a blind queue hides from the owner for now does not go along.
    """
    if owner is None:
        raise Conflict(_("Whoever asked for the export has gone."), code="owner_gone")
    whole = _items(queue).count()
    if not whole:
        raise Conflict(_("There is nothing in this queue."), code="empty_queue")
    write, inputs, written = FORMATS[tool].write, dict[str, None](), 0
    with told_when_full(), tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json") as file:
        for item in _exchanged(queue, Onlooker(owner), has_answers=has_answers):
            inputs |= dict.fromkeys(item.inputs)
            file.write((",\n" if written else "[\n") + json.dumps(write(item), ensure_ascii=False))
            written += 1
            report(99 * min(1.0, written / whole))
        file.write("\n]\n")
        file.flush()
        blob = store(Path(file.name))
    stored = name_blob(blob=blob, name=f"{queue.name[:80]}.{tool}.json", owner=owner)
    told = {"file": str(stored.pk), "name": stored.name, "items": written}
    if tool == "label_studio":
        told["label_config"] = label_studio.label_config(list(inputs), queue.answer, queue.choices)
    return told


@transactional
def begin_answers(*, queue: ReviewQueue, file: StoredFile, tool: str, actor: Any) -> Job:
    """Put the reading of answers from a file of the actor's in the queue of jobs."""
    _demand_tool(tool)
    payload = {"queue": queue.pk, "file": str(file.pk), "tool": tool}
    return jobs.enqueue(kind=IMPORT, payload=payload, actor=actor, target=queue, key=f"{IMPORT}.{queue.pk}.{file.pk}")


def import_answers(
    *,
    queue: ReviewQueue,
    file: StoredFile,
    tool: str,
    actor: Any,
    report: Callable[[float], None],
) -> dict[str, Any]:
    """Settle items by the answers in a file, each by the actor; give the counts and what was set aside.

    An item whose annotators disagree, or that has been decided otherwise, is set aside with the reason.
    """
    aside, counted, whole = Aside(), Counter[str](), max(1, file.blob.size_bytes)
    label, _write, read = FORMATS[tool]
    with local_path(file.blob).open("rb") as stream:
        for line in read_lines(stream, file.name, aside):
            try:
                counted[_take(queue, read(line.values, queue.answer), actor, label)] += 1
            except FluemanError as error:
                aside.add(line.number, error.message)
            report(99 * min(1.0, stream.tell() / whole))
    if not counted and not aside.count:
        raise Invalid(_("There are no rows in “%(source)s”.") % {"source": file.name}, code="no_rows")
    found = {name: counted[name] for name in ("settled", "same", "unanswered")} | {"set_aside": aside.count}
    record(action="feedback.answers_imported", actor=actor, target=queue, after={**found, "tool": label})
    return {**found, "rejects": aside.first}


def _take(queue: ReviewQueue, answered: Answered, actor: Any, label: str) -> str:
    """Settle one item, or tell why not. Raises a FluemanError."""
    item = _items(queue).select_related("queue").filter(pk=pk_of(answered.handle)).first()
    if item is None:
        raise NotFound(_("There is no item of this id in the queue."))
    if not answered.answers:
        return "unanswered"
    said = [clean_answer(queue.answer, queue.choices, answer) for answer in answered.answers]
    if answered.has_reviews and item.state in OPEN:
        said = _without_reviews(item, said)
        if not said:
            return "unanswered"
    if len({key_of(answer) for answer in said}) > 1:
        raise Conflict(_("Those who annotated it do not agree."))
    if item.state not in OPEN:
        if item.final_answer is not None and key_of(item.final_answer) == key_of(said[0]):
            return "same"
        raise Conflict(_("It has been decided here already."))
    settle(item=item, actor=actor, answer=said[0], note=_("Answered in %(tool)s.") % {"tool": label})
    return "settled"


def _without_reviews(item: ReviewItem, said: list[Any]) -> list[Any]:
    """Leave out what its own reviewers have said of an open item: one answer for each review that counts."""
    ours = Counter(item.reviews.filter(state=Review.State.COUNTS).values_list("answer_key", flat=True))
    left = []
    for answer in said:
        if ours[key := key_of(answer)] > 0:
            ours[key] -= 1
        else:
            left.append(answer)
    return left


def _exchanged(queue: ReviewQueue, onlooker: Any, *, has_answers: bool) -> Iterator[Exchanged]:
    """Give the items; of those that are hidden from the onlooker neither answers nor call."""
    last = 0
    while items := list(_items(queue).filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        last = items[-1].pk
        answers: dict[int, list[tuple[Any, float]]] = defaultdict(list)
        if has_answers:
            closed = [item for item in items if item.state not in OPEN]
            said = Review.objects.filter(item__in=closed, state=Review.State.COUNTS).order_by("pk")
            for item_id, answer, seconds in said.values_list("item_id", "answer", "seconds"):
                answers[item_id].append((answer, seconds))
        hidden = hidden_of(items, onlooker)
        for item in items:
            if item.pk in hidden:
                item.request_id = None
            yield _out(queue, item, answers[item.pk], has_answers=has_answers and item.pk not in hidden)


def _out(queue: ReviewQueue, item: ReviewItem, answers: list[tuple[Any, float]], *, has_answers: bool) -> Exchanged:
    facts = {"queue": queue.name, "request": str(item.request_id) if item.request_id else None, "row": item.row}
    if not has_answers:
        return Exchanged(handle_of(item.pk), queue.answer, item.input or {"text": ""}, facts=facts)
    score = item.output.get("score")
    return Exchanged(
        handle_of(item.pk),
        queue.answer,
        item.input or {"text": ""},
        model=f"{item.model} v{item.version}" if item.model else "",
        model_answer=_model_answer(queue, item),
        score=score if isinstance(score, float) else None,
        answers=answers,
        final=item.final_answer,
        facts={**facts, "state": item.state},
    )


def _model_answer(queue: ReviewQueue, item: ReviewItem) -> Any:
    """Give what the model said, where it is an answer of the queue's kind."""
    said: Any = answer_of(item.output) if item.output else None
    if queue.answer == ReviewQueue.Answer.LABELS and said is not None:
        said = [said]
    try:
        return clean_answer(queue.answer, queue.choices, said)
    except Invalid:
        return None


def _items(queue: ReviewQueue) -> Any:
    """Give the items that are data: golden ones measure people, others were left out."""
    return queue.items.filter(is_golden=False).exclude(state=ReviewItem.State.LEFT_OUT)


def _demand_tool(name: str) -> None:
    if name not in FORMATS:
        said = _("There is no tool “%(name)s”. There are: %(names)s.")
        told = said % {"name": name[:50], "names": ", ".join(FORMATS)}
        raise Invalid(told, fields={"tool": told})
