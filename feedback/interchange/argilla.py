"""Records of Argilla as `dataset.records.to_json` writes them and `from_json` reads them. Pure.

People's answers go out as the suggestion of the agent `reviewers`: responses name users of an Argilla server, which
would refuse ours. Source: Argilla 2, argilla/records/_resource.py (`Record.to_dict`, `Record.from_dict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feedback.interchange.forms import QUESTION, Answered, Exchanged, list_in, refuse, text_in

REVIEWERS = "reviewers"


def record_of(item: Exchanged) -> dict[str, Any]:
    """Give an item as a record."""
    suggested, agent, score = item.model_answer, item.model, item.score
    if item.final is not None:
        suggested, agent, score = item.final, REVIEWERS, None
    suggestion = {"value": suggested, "score": score, "agent": agent or None}
    facts = {name: value for name, value in item.facts.items() if value is not None}
    return {
        "id": item.handle,
        "fields": item.fields,
        "metadata": facts,
        "suggestions": {} if suggested is None else {QUESTION: suggestion},
        "responses": {},
        "vectors": {},
        "_server_id": None,
    }


def read_record(record: Mapping[str, Any], _kind: str) -> Answered:
    """Give the responses in an exported record. Raises Invalid."""
    handle, responses = text_in(record.get("id"), "id"), record.get("responses", {})
    if not isinstance(responses, Mapping):
        refuse("responses are no object")
    answers = []
    for response in list_in(responses.get(QUESTION), f"responses.{QUESTION}"):
        if not isinstance(response, Mapping) or "value" not in response:
            refuse("a response has no value")
        answers.append(response["value"])
    return Answered(handle, answers)
