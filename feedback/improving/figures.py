"""The figures of each step, each with the address of the rows behind it, and the rows that a step is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from common.display import percent, thousands
from feedback.improving.facts import Facts, Heard, Queue
from feedback.improving.said import MOST_COUNTED
from feedback.improving.verbs import calls_url, feedback_url, items_url, page_url, row_url
from feedback.sight import Onlooker

SHOWN_QUEUES = 4
Figure = dict[str, Any]


def _figure(name: str, label: str, value: int, url: str, *, is_least: bool = False, note: str = "") -> Figure:
    text = thousands(value) + ("+" if is_least else "")
    return {"name": name, "label": label, "value": value, "is_least": is_least, "text": text, "note": note, "url": url}


def _answers(facts: Facts, _reader: Onlooker) -> list[Figure]:
    return [figure for one in facts.heard for figure in _heard(one, facts.heard)]


def _heard(one: Heard, rows: Sequence[Heard]) -> list[Figure]:
    told: tuple[tuple[str, str, int, dict[str, int], str], ...] = (
        ("judged", gettext("judgements"), one.judged, {}, ""),
        ("wrong", gettext("thumbs down"), one.wrong, {"thumb": -1}, _share(one.wrong, one.judged)),
        ("corrected", gettext("with the right answer"), one.corrected, {"correction": 1}, ""),
    )
    calls = min(one.calls, MOST_COUNTED)
    label, url = _label(rows, one.deployment, gettext("calls")), calls_url(one.deployment)
    return [_figure("calls", label, calls, url, is_least=one.calls > MOST_COUNTED)] + [
        _figure(
            name,
            _label(rows, one.deployment, words),
            value,
            feedback_url(one, **query),
            is_least=not one.is_whole,
            note=note,
        )
        for name, words, value, query, note in told
    ]


def _label(rows: Sequence[Any], name: str, label: str) -> str:
    return f"{name}: {label}" if len(rows) > 1 else label


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ""


def _queue(facts: Facts, _reader: Onlooker) -> list[Figure]:
    return [
        _figure(
            "open",
            _label(facts.heard, one.deployment, gettext("in no queue")),
            one.open,
            feedback_url(one, thumb=-1, review="no"),
            is_least=not one.is_whole,
        )
        for one in facts.heard
    ]


def _review(facts: Facts, reader: Onlooker) -> list[Figure]:
    shown = [figure for one in facts.queues[:SHOWN_QUEUES] for figure in _of_queue(one, facts.queues)]
    return _with_items(shown, reader)


def _with_items(figures: list[Figure], reader: Onlooker) -> list[Figure]:
    """Give figures of items, without their addresses for those who may not see items."""
    return figures if reader.may("feedback.view_reviewitem") else [{**figure, "url": ""} for figure in figures]


def _of_queue(one: Queue, rows: Sequence[Queue]) -> list[Figure]:
    decided = one.decided + one.disputed
    told = (
        ("waiting", gettext("waiting"), one.waiting, ""),
        ("disputed", gettext("disputed"), one.disputed, ""),
        ("agreed", gettext("agreed"), one.agreed, _share(one.agreed, decided)),
        ("settled", gettext("settled"), one.settled, ""),
    )
    return [
        _figure(name, _label(rows, one.name, label), value, items_url(one, state=name), note=note)
        for name, label, value, note in told
    ]


def _data(facts: Facts, reader: Onlooker) -> list[Figure]:
    fresh = [
        _figure(
            "fresh",
            _label(facts.queues, one.name, gettext("in no version")),
            min(one.fresh, MOST_COUNTED),
            items_url(one, decided=one.since.isoformat() if one.since else "any"),
            is_least=one.fresh > MOST_COUNTED,
        )
        for one in facts.queues[:SHOWN_QUEUES]
    ]
    found = _with_items(fresh, reader)
    if facts.data and facts.data.state == "sealed":
        url = page_url("datasets_datasetversion_rows", facts.data.key)
        found.append(_figure("rows", gettext("rows of %(data)s") % {"data": facts.data.name}, facts.data.rows, url))
    return found


def _none(_facts: Facts, _reader: Onlooker) -> list[Figure]:
    return []


def _evaluate(facts: Facts, _reader: Onlooker) -> list[Figure]:
    found, version = facts.evaluated, facts.tried or facts.live
    if found is None or version is None or not found.after:
        return []
    url, words = row_url("registry_evaluation", found.key), [("after", f"{facts.model} v{version.number}", found.after)]
    if found.before:
        words.insert(0, ("before", found.compared_with or gettext("before"), found.before))
    return [{"name": name, "label": label, "value": None, "is_least": False, "text": text, "note": "", "url": url}
            for name, label, text in words]  # fmt: skip


def _gate(facts: Facts, _reader: Onlooker) -> list[Figure]:
    asked, tried = facts.gate.asked, facts.tried
    found = []
    if tried and facts.gate.demands:
        url = page_url("registry_gatepolicy_lacks", tried.key)
        found.append(_figure("demands", gettext("requirements"), facts.gate.demands, url))
    if asked:
        url, note = row_url("registry_approvalrequest", asked.key), f"/ {asked.needed}"
        found.append(_figure("approvals", gettext("approvals"), asked.given, url, note=note))
    return found


def _queue_links(facts: Facts) -> list[dict[str, str]]:
    return [{"label": one.name, "url": row_url("feedback_reviewqueue", one.key)} for one in facts.queues]


def _data_links(facts: Facts) -> list[dict[str, str]]:
    data = facts.data
    return [{"label": data.name, "url": row_url("datasets_datasetversion", data.key)}] if data else []


def _version_links(facts: Facts) -> list[dict[str, str]]:
    known = [one for one in (facts.tried, facts.live) if one]
    return [
        {"label": f"{facts.model} v{one.number}", "url": row_url("registry_modelversion", one.key)} for one in known
    ]


def _deployment_links(facts: Facts) -> list[dict[str, str]]:
    found = [{"label": one.deployment, "url": row_url("inference_deployment", one.key)} for one in facts.heard]
    if more := facts.more_deployments:
        words = ngettext("%(count)d more deployment", "%(count)d more deployments", more) % {"count": more}
        found.append({"label": words, "url": page_url("inference_deployment_changelist")})
    return found


def _canary_links(facts: Facts) -> list[dict[str, str]]:
    """Lead to the calls; how many there are since the canary began is counted elsewhere, and told in words."""
    if not (facts.canary and facts.tried and facts.heard):
        return []
    url = calls_url(facts.heard[0].deployment, version=facts.tried.number)
    return [{"label": gettext("calls of the canary"), "url": url}]


def _no_links(_facts: Facts) -> list[dict[str, str]]:
    return []


FIGURES = {
    "answers": _answers, "queue": _queue, "review": _review, "data": _data,
    "train": _none, "evaluate": _evaluate, "gate": _gate, "serve": _none,
}  # fmt: skip
LINKS = {
    "answers": _deployment_links, "queue": _queue_links, "review": _no_links, "data": _data_links,
    "train": _version_links, "evaluate": _no_links, "gate": _no_links, "serve": _canary_links,
}  # fmt: skip
