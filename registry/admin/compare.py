"""Compare: is B better than A?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.display import duration, percent, size, thousands
from common.numbers import whole
from registry.admin import shown
from registry.comparison import compare
from registry.measures.catalogue import METRICS
from registry.measures.words import difference_in_words, figure_in_words, metric_label
from registry.models import ModelVersion, RegisteredModel
from registry.usage import live_version, next_steps

OFFERED = 200
_LABELS: Mapping[str, Any] = {
    "size_bytes": _("size"),
    "memory_bytes": _("memory"),
    "load_ms": _("time to load"),
    "requests": _("requests of the last day"),
    "error_share": _("errors"),
    "p50_ms": _("middle latency"),
    "p95_ms": _("95th percentile of latency"),
}
_SAID: Mapping[str, Any] = {
    "better": _("%(b)s is better than %(a)s: %(why)s"),
    "worse": _("%(b)s is worse than %(a)s: %(why)s"),
    "unclear": _("%(b)s and %(a)s cannot be told apart: %(why)s"),
}
_STATES: Mapping[str, Any] = {
    "same": _("the same"),
    "changed": _("changed"),
    "only_a": _("only in %(a)s"),
    "only_b": _("only in %(b)s"),
}
_TESTS = {"mcnemar": "McNemar", "wilcoxon": "Wilcoxon"}
_TONES = {"same": "quiet", "changed": "warn", "only_a": "bad", "only_b": "good"}


def compare_view(request: HttpRequest, model_admin: Any, pk: int) -> HttpResponseBase:
    """Show two versions beside each other; `?a=6&b=7`, or `?v=6&v=7` from the ticks of the model's page.

    What is not said is guessed: `a` is the live version, `b` the newest.
    """
    require(request, "registry.view_modelversion")
    model = RegisteredModel.objects.present().filter(pk=pk).first()
    if model is None:
        raise Http404
    ticked = sorted({number for text in request.GET.getlist("v") if (number := whole(text)) is not None})
    if len(ticked) >= 2:
        return HttpResponseRedirect(f"{request.path}?a={ticked[0]}&b={ticked[-1]}")
    versions = list(model.versions.present().order_by("-number")[:OFFERED])
    one, two = _chosen(request, model, versions, ticked)
    context: dict[str, Any] = {"model": model, "versions": versions, "a": one, "b": two}
    context["model_url"] = model_admin.url_of(model)
    title, links = gettext("Compare versions of %(model)s") % {"model": model}, []
    if one and two:
        context |= _shown(compare(one, two), one, two)
        links = _links(request, two)
    elif only := one or two:
        context["alone"] = _alone(only)
    response: HttpResponseBase = model_admin.page(
        request, "admin/registry/compare.html", title=title, links=links, **context
    )
    return response


def _chosen(
    request: HttpRequest, model: RegisteredModel, versions: list[ModelVersion], ticked: list[int]
) -> tuple[ModelVersion | None, ModelVersion | None]:
    def named(key: str) -> ModelVersion | None:
        return model.versions.present().filter(number=whole(request.GET.get(key, ""))).first()

    live = live_version(model)
    two = named("b") or (model.versions.present().filter(number=ticked[0]).first() if ticked else None)
    one = named("a")
    if one is None and live is not None and (two is None or live.pk != two.pk):
        one = live
    two = two or next((version for version in versions if one is None or version.pk != one.pk), None)
    one = one or next((version for version in versions if two is None or version.pk != two.pk), None)
    return one, two


def _links(request: HttpRequest, version: ModelVersion) -> list[dict[str, Any]]:
    """Lead to what promotes the second: its own page asks whether it may."""
    if version.state != ModelVersion.State.READY:
        return []
    allowed = [step for step in next_steps() if request.user.has_perm(step.permission)]  # type: ignore[union-attr]
    links = [(step.label, step.url(version)) for step in allowed]
    name = f"v{version.number}"
    return [
        {"label": gettext("%(verb)s %(name)s") % {"verb": label, "name": name}, "url": url, "primary": True}
        for label, url in links[:1]
        if url
    ]


def _shown(found: dict[str, Any], a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    names = {"a": f"v{a.number}", "b": f"v{b.number}"}
    return {
        "headline": _headline(found["verdict"], a, b),
        "tone": {"better": "good", "worse": "bad"}.get(found["verdict"]["result"], "quiet"),
        "names": names,
        "sides": [(one, shown.version_url(one), shown.state(one), _serves(found[key])) for key, one in _keyed(a, b)],
        "figures": [_row(one) for one in found["metrics"]],
        "sizes": [_row(one) for one in (*found["sizes"], *found["traffic"])],
        "signature": [_changed(one, names) for one in found["signature"]],
        "files": [_file(one, names) for one in found["files"]],
        "changed_files": sum(one["state"] != "same" for one in found["files"]),
        "data": [_changed(one, names) for one in found["data"]],
        "evaluations": [_evaluation(one, names) for one in found["evaluations"]],
    }


def _alone(version: ModelVersion) -> dict[str, Any]:
    """Give the figures of the only version there is: groups of a title, where it leads, and rows."""
    found = compare(version, version)
    groups = [
        (
            gettext("Over %(data)s, %(rows)s rows") % {"data": one["data"], "rows": thousands(one["rows"])},
            evaluation_url(one["a"]),
            one["metrics"],
        )
        for one in found["evaluations"]
    ]
    groups.append((gettext("What its author measured"), "", found["metrics"]))
    groups.append((gettext("Size, time and calls of the last day"), "", [*found["sizes"], *found["traffic"]]))
    return {
        "sides": [(version, shown.version_url(version), shown.state(version), _serves(found["a"]))],
        "groups": [
            (title, url, [(label_of(row["name"]), words_of(row["name"], row["a"])) for row in rows])
            for title, url, rows in groups
            if rows
        ],
    }


def _keyed(a: ModelVersion, b: ModelVersion) -> tuple[tuple[str, ModelVersion], tuple[str, ModelVersion]]:
    return ("a", a), ("b", b)


def _headline(told: Mapping[str, Any], a: ModelVersion, b: ModelVersion) -> str:
    names = {"a": f"v{a.number}", "b": str(b)}
    if told["result"] == "unknown" or not told["by"]:
        return gettext("%(b)s beside %(a)s: nothing was measured of both") % names
    by = told["by"]
    why = f"{label_of(by['name'])} {words_of(by['name'], by['a'])} → {words_of(by['name'], by['b'])}"
    if gain := by.get("gain"):
        why = f"{label_of(by['name'])} {gain_in_words(by['name'], gain)}"
    if told["source"] == "evaluation":
        why += gettext(", over %(data)s") % {"data": told["data"]}
    else:
        why += gettext(", as their authors measured")
    return str(_SAID[told["result"]]) % {**names, "why": why}


def _serves(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['deployment']} {one['weight']} %" for one in facts["serves"])


def label_of(name: str) -> str:
    """Give what a number is called: of a metric, of a size, or as its author wrote it."""
    if name.startswith("checked_p50_ms:"):
        return gettext("middle latency of %(rows)s rows in the check") % {"rows": name.partition(":")[2]}
    return str(_LABELS[name]) if name in _LABELS else metric_label(name)


def words_of(name: str, value: float | None) -> str:
    """Give a number with its unit."""
    if value is None:
        return "–"
    if name in METRICS and not name.endswith("_ms"):
        return figure_in_words(name, value)
    if name.endswith("_bytes"):
        return size(int(value))
    if name.endswith("_ms") or name.startswith("checked_p50_ms"):
        return duration(value)
    if name == "error_share":
        return percent(value)
    return thousands(value) if float(value).is_integer() else number_format(round(value, 4), 4)


def gain_in_words(name: str, gain: Mapping[str, float]) -> str:
    """Give a gain with its 95 % interval: “+1.8 points (95 %: 0.6 to 3.0)”."""
    value = difference_in_words(name, gain["value"])
    sign = "+" if gain["value"] > 0 else ""
    return f"{sign}{value} ({_interval(name, gain['low'], gain['high'])})"


def _interval(name: str, low: float, high: float) -> str:
    return gettext("95 %%: %(low)s to %(high)s") % {
        "low": difference_in_words(name, low),
        "high": difference_in_words(name, high),
    }


def _change_interval(name: str, gain: Mapping[str, float]) -> str:
    """Give the interval of a change, which is a gain downwards where lower is better."""
    if METRICS[name].is_higher_better:
        return _interval(name, gain["low"], gain["high"])
    return _interval(name, -gain["high"], -gain["low"])


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    name, change = one["name"], one["change"]
    told = difference_in_words if name in METRICS else words_of
    sign = "+" if change and change > 0 else "−"
    is_of_both = one["a"] is not None and one["b"] is not None  # a bar says how much larger one is
    top = max(abs(one["a"] or 0), abs(one["b"] or 0)) or 1
    return {
        "label": label_of(name),
        "a": words_of(name, one["a"]),
        "b": words_of(name, one["b"]),
        "width_a": _width(one["a"], top) if is_of_both else "",
        "width_b": _width(one["b"], top) if is_of_both else "",
        "change": f"{sign}{told(name, abs(change))}" if change else "",
        "tone": {True: "better", False: "worse", None: ""}[one["is_better"]],
        "gain": _change_interval(name, one["gain"]) if one.get("gain") and name in METRICS else "",
    }


def _width(value: float, top: float) -> str:
    return f"{abs(value) / top * 100:.1f}"


def _changed(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    sides = {"inputs": gettext("takes"), "outputs": gettext("gives")}
    said = str(_STATES[one["state"]]) % names if "%" in str(_STATES[one["state"]]) else str(_STATES[one["state"]])
    return {**one, "said": said, "tone": _TONES[one["state"]], "side": sides.get(one.get("side", ""), "")}


def _file(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {**_changed(one, names), "a": size(one["a"]), "b": size(one["b"])}


def _evaluation(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    wrong, urls = one["wrong_rows"], {f"url_{key}": evaluation_url(one[key]) for key in ("a", "b")}
    return {
        "data": one["data"],
        "split": one["split"],
        "rows": one["rows"],
        "wrong": [
            (names[key], wrong[key], _rows_url(one[key], kind="wrong")) for key in ("a", "b") if wrong[key] is not None
        ],
        "rows_url": _rows_url(one["b"]),
        "figures": [_row(row) | urls for row in one["metrics"]],
        "slices": [_slice(row, one) for row in one["slices"]],
        "confusion": _matrix(one["confusion"], one) if one["confusion"] else None,
        "test": _test(one["test"]) if one["test"] else None,
        "urls": [(names[key], evaluation_url(one[key])) for key in ("a", "b")],
    }


def _rows_url(key: str, **asked: str) -> str:
    """Give the address of rows of an evaluation, empty where there is none."""
    page = evaluation_url(key, "rows")
    return f"{page}?{urlencode(asked)}" if page and asked else page


def _slice(row: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"slice": f"{row['column']}={row['value']}"}
    urls = {f"url_{key}": _rows_url(one[key], **asked) for key in ("a", "b")}
    return {**row, **_row(row), **urls, "value": row["value"] or "–"}


def _test(found: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("became_wrong", "became_right") if found["is_turned"] else ("became_right", "became_wrong")
    page = evaluation_url(found["evaluation"], "rows")
    labels = (gettext("became right"), gettext("became wrong"))
    counts = (found["became_right"], found["became_wrong"])
    changed = [
        (label, count, f"{page}?kind={kind}" if page else "")
        for label, count, kind in zip(labels, counts, kinds, strict=True)
        if count is not None
    ]
    return {"changed": changed, "name": _TESTS.get(found.get("name", "").partition("_")[0], ""), "p": found.get("p")}


def _matrix(found: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """Give the cells as rows, each with both counts and how strongly it is tinted: more is worse off the diagonal."""
    labels = found["labels"]
    top = max((abs(cell["b"] - cell["a"]) for cell in found["cells"]), default=0) or 1
    rows = []
    for place, right in enumerate(labels):
        cells = []
        for cell in found["cells"][place * len(labels) : (place + 1) * len(labels)]:
            change = cell["b"] - cell["a"]
            is_good = change > 0 if cell["answer"] == right else change < 0
            strength = round(0.08 + 0.4 * abs(change) / top, 2) if change else 0
            tone = "" if not change else "better" if is_good else "worse"
            asked = {"right": right, "answer": cell["answer"] or "–"}
            urls = {f"url_{key}": _rows_url(one[key], **asked) for key in ("a", "b")}
            cells.append(
                {**cell, **urls, "change": f"{change:+d}" if change else "", "tone": tone, "strength": strength}
            )
        rows.append({"label": right or gettext("no answer"), "cells": cells})
    return {"labels": [label or gettext("no answer") for label in labels], "rows": rows, "left_out": found["left_out"]}


def evaluation_url(key: str, page: str = "change") -> str:
    """Give a page of an evaluation, empty where there is none: `inference` brings them."""
    try:
        return reverse(f"admin:registry_evaluation_{page}", args=[key])
    except NoReverseMatch:
        return ""
