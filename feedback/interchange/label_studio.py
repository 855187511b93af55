"""Tasks of Label Studio, with predictions and annotations, and the labelling configuration that goes with them. Pure.

Source: Label Studio documentation, "Task format", "Import pre-annotated data", tags Choices, TextArea, Rating.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from feedback.interchange.forms import ITEM, QUESTION, Answered, Exchanged, list_in, refuse, text_in

WITHOUT_REVIEWS = "without_reviews"  # in `meta`: files of before hold the reviews of open items as annotations
_TYPES = {"label": "choices", "labels": "choices", "text": "textarea", "rating": "rating"}


def task_of(item: Exchanged) -> dict[str, Any]:
    """Give an item as a task. What it was decided to be is its one annotation; else each answer is one."""
    to_name = next(iter(item.inputs))
    meta = {**item.facts, WITHOUT_REVIEWS: True}
    task: dict[str, Any] = {"data": {**item.fields, ITEM: item.handle}, "meta": meta}
    if item.model_answer is not None:
        predicted = {"model_version": item.model, "result": [_result(item, item.model_answer, to_name)]}
        task["predictions"] = [predicted if item.score is None else {**predicted, "score": item.score}]
    said = list(item.answers)
    if item.final is not None:
        said = [(item.final, sum(seconds for _answer, seconds in said))]
    task["annotations"] = [
        {
            "result": [_result(item, answer, to_name)],
            "was_cancelled": False,
            "ground_truth": item.final is not None,
            "lead_time": seconds,
        }
        for answer, seconds in said
    ]
    return task


def label_config(inputs: Sequence[str], kind: str, choices: Sequence[str]) -> str:
    """Give the labelling configuration of a project that takes the tasks."""
    shown = "".join(f"<Text name={quoteattr(name)} value={quoteattr('$' + name)}/>" for name in inputs)
    to = f"name={quoteattr(QUESTION)} toName={quoteattr(inputs[0])}"
    if kind in ("label", "labels"):
        many = "multiple" if kind == "labels" else "single"
        each = "".join(f"<Choice value={quoteattr(one)}/>" for one in choices)
        control = f'<Choices {to} choice="{many}">{each}</Choices>'
    elif kind == "text":
        control = f'<TextArea {to} maxSubmissions="1"/>'
    else:
        control = f'<Rating {to} maxRating="5"/>'
    return f"<View>{shown}{control}</View>"


def read_task(task: Mapping[str, Any], kind: str) -> Answered:
    """Give the answers in an exported task; cancelled annotations are none. Raises Invalid."""
    data = task.get("data")
    if not isinstance(data, Mapping):
        refuse("data is missing: this is no task of Label Studio")
    handle = text_in(data.get(ITEM), f"data.{ITEM}")
    answers = []
    for annotation in list_in(task.get("annotations"), "annotations"):
        if not isinstance(annotation, Mapping):
            refuse("an annotation is no object")
        if not annotation.get("was_cancelled"):
            answers += [_answer(one, kind) for one in list_in(annotation.get("result"), "result") if _is_ours(one)]
    return Answered(handle, answers, _has_reviews(task.get("meta")))


def _has_reviews(meta: Any) -> bool:
    return isinstance(meta, Mapping) and "state" in meta and WITHOUT_REVIEWS not in meta


def _result(item: Exchanged, answer: Any, to_name: str) -> dict[str, Any]:
    of = _TYPES[item.kind]
    value = answer if item.kind == "rating" else answer if isinstance(answer, list) else [answer]
    value = {"text": value} if item.kind == "text" else {of: value}
    return {"from_name": QUESTION, "to_name": to_name, "type": of, "value": value}


def _is_ours(one: Any) -> bool:
    return isinstance(one, Mapping) and one.get("from_name") == QUESTION


def _answer(one: Mapping[str, Any], kind: str) -> Any:
    value, of = one.get("value"), _TYPES[kind]
    if one.get("type") != of or not isinstance(value, Mapping):
        refuse(f"a result is not of the type {of}")
    if kind == "rating":
        return value.get("rating")
    found = value.get("text" if kind == "text" else of)
    if kind == "text" and isinstance(found, str):
        return found
    found = list_in(found, of)
    if kind == "labels":
        return found
    if len(found) != 1:
        refuse("a result holds not one answer")
    return found[0]
