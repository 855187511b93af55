"""What two versions of a model are beside each other, read from the rows, as plain data for every door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.comparing import (
    Change,
    Figure,
    confusion,
    figure,
    figures,
    sets,
    signature_changes,
    slices,
    things,
    verdict,
)
from registry.measures.catalogue import METRICS
from registry.models import Evaluation, ModelVersion
from registry.usage import Traffic, traffic_of

MOST_EVALUATIONS = 10
MOST_SLICES = 30
MAIN = ("accuracy", "mae", "rmse")


def compare(a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    """Give everything that tells whether `b` is better than `a`; the answer itself is `verdict`.

    `verdict`: `result` is better, worse, unclear or unknown; `by` is the number that says so, of `source`.
    """
    before, after = traffic_of(a), traffic_of(b)
    evaluations = _evaluations(a, b)
    metrics = figures(a.metrics, b.metrics)
    return {
        "a": _facts(a, before),
        "b": _facts(b, after),
        "verdict": _verdict(evaluations, metrics),
        "metrics": [one.as_dict() for one in metrics],
        "sizes": [one.as_dict() for one in _sizes(a, b, before, after)],
        "traffic": [one.as_dict() for one in _answers(before, after)],
        "signature": [one.as_dict() for one in signature_changes(a.signature, b.signature)],
        "files": [one.as_dict() for one in _files(a, b)],
        "data": [one.as_dict() for one in sets(_data(a), _data(b))],
        "evaluations": evaluations,
    }


def _facts(version: ModelVersion, traffic: Traffic) -> dict[str, Any]:
    shares = [{"deployment": one.deployment, "kind": one.kind, "weight": one.weight} for one in traffic.shares]
    return {
        "version": version.number,
        "state": version.state,
        "format": version.format,
        "aliases": sorted(alias.name for alias in version.aliases.all()),
        "created_at": version.created_at.isoformat(),
        "serves": shares,
    }


def _sizes(a: ModelVersion, b: ModelVersion, before: Traffic, after: Traffic) -> list[Figure]:
    one, two = a.check_report, b.check_report
    memory = (before.memory_bytes or one.get("memory_bytes"), after.memory_bytes or two.get("memory_bytes"))
    found = [
        figure("size_bytes", a.size_bytes or None, b.size_bytes or None, is_higher=False),
        figure("memory_bytes", *memory, is_higher=False),
        figure("load_ms", before.load_ms, after.load_ms, is_higher=False),
    ]
    times, others = one.get("latency_ms", {}), two.get("latency_ms", {})
    found += [
        figure(f"checked_p50_ms:{rows}", times[rows].get("p50"), others[rows].get("p50"), is_higher=False)
        for rows in times
        if rows in others
    ]
    return [one for one in found if one.a is not None or one.b is not None]


def _answers(before: Traffic, after: Traffic) -> list[Figure]:
    if not before.requests and not after.requests:
        return []
    return [
        Figure("requests", before.requests, after.requests),
        figure("error_share", before.error_share, after.error_share, is_higher=False),
        figure("p50_ms", before.p50_ms, after.p50_ms),
        figure("p95_ms", before.p95_ms, after.p95_ms),
    ]


def _files(a: ModelVersion, b: ModelVersion) -> list[Change]:
    old, new = ({file.path: file for file in one.files.select_related("blob")} for one in (a, b))
    found = things({path: file.blob_id for path, file in old.items()}, {path: f.blob_id for path, f in new.items()})
    return [
        Change(
            one.name,
            one.state,
            old[one.name].blob.size_bytes if one.name in old else None,
            new[one.name].blob.size_bytes if one.name in new else None,
        )
        for one in found
    ]


def _data(version: ModelVersion) -> list[str]:
    known = version.training_data.select_related("dataset_version__dataset")
    return [f"{one.dataset_version.dataset.name}:{one.dataset_version.number}" for one in known]


def _evaluations(a: ModelVersion, b: ModelVersion) -> list[dict[str, Any]]:
    """Give the newest evaluations of both over the same rows and columns, the newest data first."""
    newest: dict[Any, dict[Any, list[Evaluation]]] = {}
    finished = Evaluation.objects.filter(version__in=[a, b], finished_at__isnull=False)
    for one in finished.defer("report", "metrics").order_by("-id")[:200]:  # large, and few are wanted
        newest.setdefault(one.over, {}).setdefault(one.version_id, []).append(one)
    found = (_beside(over.get(a.pk, []), over.get(b.pk, [])) for over in newest.values())
    pairs = [pair for pair in found if pair]
    wanted = {key for pair in pairs[:MOST_EVALUATIONS] for key in pair}
    known = Evaluation.objects.select_related("dataset_version__dataset").in_bulk(wanted)
    return [_pair(known[one], known[two]) for one, two in pairs if one in known and two in known]


def _beside(some: Sequence[Evaluation], others: Sequence[Evaluation]) -> tuple[Any, Any] | None:
    """Give the first two whose inputs come from the same columns."""
    pairs = ((one, two) for two in others for one in some if two.has_same_columns(one.options.get("inputs", {})))
    return next(((one.pk, two.pk) for one, two in pairs), None)


def _pair(a: Evaluation, b: Evaluation) -> dict[str, Any]:
    data, differences = b.dataset_version, _differences(a, b)
    numbers = figures(a.metrics, b.metrics, order=list(METRICS))
    return {
        "a": str(a.pk),
        "b": str(b.pk),
        "data": f"{data.dataset.name}:{data.number}",
        "split": str(b.options.get("split", "")),
        "task": b.task,
        "rows": b.rows,
        "wrong_rows": {"a": a.wrong_rows, "b": b.wrong_rows},
        "metrics": [{**one.as_dict(), "gain": differences.get(one.name)} for one in numbers],
        "confusion": confusion(a.report, b.report) if a.report.get("confusion") or b.report.get("confusion") else None,
        "slices": slices(a.report.get("slices", {}), b.report.get("slices", {}))[:MOST_SLICES],
        "test": _test(a, b),
    }


def _compared(a: Evaluation, b: Evaluation) -> Mapping[str, Any]:
    """Give the paired test of the two, if there was one."""
    told: Mapping[str, Any] = b.report.get("comparison", {})
    return told if told.get("evaluation") == str(a.pk) else {}


def _test(a: Evaluation, b: Evaluation) -> dict[str, Any] | None:
    """Give the paired test, seen from `b`: rows that became right and wrong, and which evaluation lists them."""
    if told := _compared(a, b):
        changed, key = ("became_right", "became_wrong"), str(b.pk)
    elif told := _compared(b, a):
        changed, key = ("became_wrong", "became_right"), str(a.pk)
    else:
        return None
    found = {"evaluation": key, "is_turned": key == str(a.pk), **told.get("test", {})}
    return {**found, "became_right": told.get(changed[0]), "became_wrong": told.get(changed[1])}


def _differences(a: Evaluation, b: Evaluation) -> dict[str, Mapping[str, float]]:
    """Give by how much `b` is better, with its 95 % interval, by metric: the test was done from either side."""
    if known := _compared(a, b).get("metrics"):
        return dict(known)
    turned: Mapping[str, Any] = _compared(b, a).get("metrics", {})
    return {
        name: {"value": -one["value"], "low": -one["high"], "high": -one["low"]} for name, one in turned.items()
    }  # fmt: skip


def _verdict(evaluations: list[dict[str, Any]], metrics: list[Figure]) -> dict[str, Any]:
    for one in evaluations:
        known = {row["name"]: row for row in one["metrics"] if row["change"] is not None}
        if name := next((name for name in MAIN if name in known), ""):
            row = known[name]
            judged = Figure(name, row["a"], row["b"], row["is_better"])
            told = {"result": verdict(row["gain"], judged), "by": row, "source": "evaluation"}
            return {**told, "evaluation": one["b"], "data": one["data"], "rows": one["rows"]}
    judged_by = next((one for one in metrics if one.is_better is not None), None)
    return {
        "result": verdict(None, judged_by),
        "by": judged_by.as_dict() if judged_by else None,
        "source": "author" if judged_by else "",
    }
