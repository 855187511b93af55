"""What the pages show of a version, in words and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import badge, duration, moment, thousands
from common.plots import tensor
from datasets.models import DatasetVersion
from registry.comparing import figure
from registry.models import ModelVersion, RegisteredModel
from registry.steps import steps_of
from registry.usage import Usage
from registry.wording import in_words

MOST_METRICS = 3
DATA = ("training_data__dataset_version__dataset",)  # what `trained_on` reads of many versions
_WALLS = {"network": _("network"), "files": _("files"), "system_calls": _("system calls")}
_CODES = {"passed": "good", "failed": "bad", "running": "busy"}


def version_url(version: ModelVersion) -> str:
    """Give the address of a version's page."""
    return reverse("admin:registry_modelversion_change", args=[version.pk])


def of_one_row(request: HttpRequest) -> bool:
    """Tell whether an address is that of one row, which has its page though it is deleted."""
    found = request.resolver_match
    return bool(found and (found.kwargs.keys() & {"object_id", "pk"}))


def deleted_words(row: RegisteredModel | ModelVersion) -> str:
    """Say that something is deleted, and how long it can be brought back."""
    end = row.deleted_at + timedelta(days=settings.DELETED_KEEP_DAYS) if row.deleted_at else None
    said = gettext("%(name)s is deleted; until %(when)s it can be restored")
    return said % {"name": row, "when": moment(end)[:10]}


def trained_on(version: ModelVersion) -> list[tuple[DatasetVersion, str]]:
    """Give the dataset versions that a version was trained on, each with its page."""
    page = "admin:datasets_datasetversion_change"
    return [(one.dataset_version, reverse(page, args=[one.dataset_version_id])) for one in version.training_data.all()]


def state(version: ModelVersion) -> SafeString:
    """Give the state as a badge."""
    if version.is_waiting_for_trust:
        return badge("waiting", gettext("waiting for trust"), "warn")
    return badge(version.state, version.get_state_display())


def chips(names: Iterable[Any]) -> SafeString:
    """Give names as chips."""
    return format_html_join("", '<span class="fm-chip">{}</span>', ((name,) for name in names))


def usage_links(usages: Sequence[Usage]) -> SafeString:
    """Give the things that use a version, each leading to its page."""
    return format_html_join(", ", '<a class="fm-link" href="{}">{}</a>', ((use.url, use.label) for use in usages))


def steps(version: ModelVersion) -> list[dict[str, Any]]:
    """Give all steps of the check: what was found, what runs now, what is to come. Empty if there was no check."""
    found = {step["step"]: step for step in version.check_report.get("steps", [])}
    is_over = version.state in (ModelVersion.State.READY, ModelVersion.State.REFUSED, ModelVersion.State.ARCHIVED)
    shown = []
    for name, step in steps_of(is_remote=version.is_remote).items():
        line = found.get(name, {})
        code = line.get("state", "skipped" if is_over and found else "waiting")
        if (
            code == "waiting"
            and version.state == ModelVersion.State.CHECKING
            and not any(_is_open(one) for one in shown)
        ):
            code = "running"
        took = duration(line["ms"]) if code in ("passed", "failed") and line.get("ms") else ""
        shown.append(
            {
                "code": code,
                "tone": _CODES.get(code, "quiet"),
                "label": step.label,
                # The sample's outputs and the measurements have places of their own on the page.
                "message": ""
                if name in ("sample", "measure") and code == "passed"
                else in_words(line.get("message", "")),
                "took": took,
                "cure": step.cure if code == "failed" else "",
            }
        )
    return shown if found or version.state in (ModelVersion.State.PENDING, ModelVersion.State.CHECKING) else []


def _is_open(step: Mapping[str, Any]) -> bool:
    return step["code"] in ("waiting", "running")


def signature_rows(signature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the inputs and outputs as rows of a table, shapes in words."""
    sides = (("inputs", gettext("takes")), ("outputs", gettext("gives")))
    return [
        {"side": label, **spec, "words": _shape(spec["shape"])}
        for side, label in sides
        for spec in signature.get(side, [])
    ]


def sample(report: Mapping[str, Any], signature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what was put in and came out in the check, for a reader."""
    found = report.get("sample", {})
    sides = (("inputs", gettext("put in")), ("outputs", gettext("came out")))
    return [
        {"side": label, "name": spec["name"], "value": _values(found[side][spec["name"]], spec)}
        for side, label in sides
        for spec in signature.get(side, [])
        if spec["name"] in found.get(side, {})
    ]


def walls(report: Mapping[str, Any]) -> list[str]:
    """Give the walls that the check ran without, in words."""
    return [str(_WALLS[wall]) for wall in report.get("missing_walls", []) if wall in _WALLS]


def latencies(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Give (rows, p50, p95) of the measurement."""
    measured = report.get("latency_ms", {})
    return [(rows, duration(time["p50"]), duration(time["p95"])) for rows, time in measured.items()]


def compare_metrics(versions: Sequence[ModelVersion], live: ModelVersion | None) -> None:
    """Give each version `bars`: its metrics as parts of the greatest, with the difference to the live version's."""
    names = metric_names(versions)
    tops = {name: max((abs(_number(one, name) or 0) for one in versions), default=0) or 1 for name in names}
    for version in versions:
        version.bars = [_bar(version, name, tops[name], live) for name in names]  # type: ignore[attr-defined]


def metric_names(versions: Sequence[ModelVersion]) -> list[str]:
    """Give the metrics that most versions have, at most three."""
    counts: dict[str, int] = {}
    for version in versions:
        for name in version.metrics:
            if _number(version, name) is not None:
                counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_METRICS]


def _bar(version: ModelVersion, name: str, top: float, live: ModelVersion | None) -> dict[str, Any] | None:
    value = _number(version, name)
    if value is None:
        return None
    base = _number(live, name) if live is not None and live.pk != version.pk else None
    judged = figure(name, base, value)
    change = "" if base is None else _signed(value - base)
    tone = {True: "better", False: "worse", None: ""}[judged.is_better]
    return {"text": _digits(value), "width": f"{abs(value) / top * 100:.1f}", "change": change, "tone": tone}


def _digits(value: float) -> str:
    return thousands(value) if value.is_integer() else f"{value:.4g}"


def _signed(change: float) -> str:
    return f"{'−' if change < 0 else '+'}{_digits(abs(change))}"


def _number(version: ModelVersion, name: str) -> float | None:
    value = version.metrics.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shape(shape: Sequence[int]) -> str:
    if not shape:
        return gettext("one value")
    sides = [gettext("any number") if side == -1 else str(side) for side in shape]
    if shape[0] == -1:
        sides[0] = gettext("rows")
    return " × ".join(sides)


def _values(values: Sequence[Any], spec: Mapping[str, Any]) -> SafeString:
    if spec["datatype"] == "BYTES":
        return format_html_join("", "<p>{}</p>", ((text,) for text in values))
    if len(values) <= 4:
        return format_html('<span class="fm-number">{}</span>', ", ".join(f"{value:.6g}" for value in values))
    row = [side for side in spec["shape"][1:] if side > 0]
    return tensor(values, row if row and _product(row) == len(values) else [len(values)], spec["datatype"])


def _product(sides: Iterable[int]) -> int:
    product = 1
    for side in sides:
        product *= side
    return product
