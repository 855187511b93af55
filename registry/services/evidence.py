"""What is known of a version when its promotion is asked for: gathered once, so that a decision can be looked at later.

`{"check": {...}, "now": 6, "figures": [...], "evaluations": [...], "signature": [...], "gate": [...]}`; figures are
rows of name, the version's value, and that of the version it would take the place of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.comparing import signature_changes
from registry.models import Evaluation, ModelVersion
from registry.services.gates import failures, named_rows
from registry.services.promotion import Wish
from registry.usage import live_version

MOST_EVALUATIONS = 5
MOST_FIGURES = 20


def gather(wish: Wish) -> dict[str, Any]:
    """Give the evidence for a wish, as plain data."""
    version, now = wish.version, replaced_by(wish)
    return {
        "check": _check(version),
        "size_bytes": version.size_bytes,
        "now": now.number if now else None,
        "figures": _figures(version.metrics, now.metrics if now else {}),
        "evaluations": _evaluations(version, now),
        "signature": _signature_changes(version.signature, now.signature) if now else [],
        "trained_on": [str(one.dataset_version) for one in version.training_data.select_related("dataset_version")],
        "gate": [] if wish.is_removal else [reason.as_dict() for reason in failures(version=version)],
    }


def replaced_by(wish: Wish) -> ModelVersion | None:
    """Give the version whose place another would take, `None` where there is none."""
    if wish.is_removal:
        return None
    if wish.alias:
        alias = wish.version.model.aliases.filter(name=wish.alias).select_related("version__model").first()
        return alias.version if alias and alias.version_id != wish.version.pk else None
    live = live_version(wish.version.model)
    return live if live and live.pk != wish.version.pk else None


def _check(version: ModelVersion) -> dict[str, Any]:
    report = version.check_report
    return {
        "at": version.checked_at.isoformat() if version.checked_at else None,
        "steps": [
            {"step": step["step"], "state": step.get("state", "")} for step in report.get("steps", []) if "step" in step
        ],
        "memory_bytes": report.get("memory_bytes"),
    }


def _figures(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [name for name, value in {**mine, **theirs}.items() if isinstance(value, int | float)]
    return [{"name": name, "value": mine.get(name), "before": theirs.get(name)} for name in names[:MOST_FIGURES]]


def _evaluations(version: ModelVersion, now: ModelVersion | None) -> list[dict[str, Any]]:
    """Give the newest finished evaluations, each beside that of the version before over the same rows and columns."""
    known = ModelVersion.objects.filter(pk__in=[one.pk for one in (version, now) if one])
    newest: dict[Any, dict[Any, list[Evaluation]]] = {}
    finished = Evaluation.objects.filter(version__in=known, finished_at__isnull=False)
    for one in finished.defer("report").select_related("dataset_version__dataset").order_by("-id")[:200]:
        newest.setdefault(one.over, {}).setdefault(one.version_id, []).append(one)
    rows = []
    for found in newest.values():
        mine = next(iter(found.get(version.pk, [])), None)
        if mine:
            before = found.get(now.pk, []) if now else []
            inputs = mine.options.get("inputs", {})
            theirs = next((one for one in before if one.has_same_columns(inputs)), None)
            rows.append(
                {
                    "id": str(mine.pk),
                    "data": named_rows(mine.dataset_version, mine.options.get("split", "")),
                    "rows": mine.rows,
                    "figures": _figures(mine.metrics, theirs.metrics if theirs else {}),
                }
            )
    return rows[:MOST_EVALUATIONS]


def _signature_changes(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the inputs and outputs that are not the same, each as words before and after."""
    return [
        {"side": one.side, "name": one.name, "before": one.a or "", "after": one.b or ""}
        for one in signature_changes(theirs, mine)
    ]
