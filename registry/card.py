"""The card of a model: what it is, what it may be used for, and how that is known. Read from the rows, plain data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from datasets.models import DatasetVersion
from registry.measures.catalogue import METRICS
from registry.models import ApprovalRequest, Evaluation, ModelVersion, RegisteredModel
from registry.usage import live_version, served_between, traffic_of

MOST = 30
MOST_ANCESTORS = 10
MOST_SLICES = 20


def chosen(model: RegisteredModel, number: int | None = None) -> ModelVersion | None:
    """Give the version that a card is of: the one asked for, else the one that answers, else the newest ready one."""
    present = model.versions.present().select_related("created_by")
    if number is not None:
        return present.filter(number=number).first()
    live = live_version(model)
    return live or present.ready().order_by("-number").first() or present.order_by("-number").first()


def card_of(model: RegisteredModel, version: ModelVersion | None) -> dict[str, Any]:
    """Give the card of a model, and of one version of it, if it has any."""
    now = timezone.now()
    served = served_between(model, model.created_at, now)[-MOST:]
    return {
        "name": model.name,
        "task": model.task,
        "owner": model.owner.username if model.owner else None,
        "licence": model.licence,
        "description": model.description,
        "intended_use": model.intended_use,
        "limits": model.limits,
        "tags": {tag.key: tag.value for tag in model.tags.all()},
        "aliases": {alias.name: alias.version.number for alias in model.aliases.select_related("version")},
        "made_at": now.isoformat(),
        "version": _version(version) if version else None,
        "history": [
            {
                "deployment": one.deployment,
                "version": one.version,
                "kind": one.kind,
                "weight": one.weight,
                "since": one.since.isoformat(),
                "until": _time(one.until),
                "by": one.by,
            }
            for one in reversed(served)
        ],
        "alias_history": [
            {
                "alias": one.name,
                "version": one.version_number,
                "since": one.since.isoformat(),
                "until": _time(one.until),
                "by": one.actor,
                "reason": one.reason,
            }
            for one in model.alias_history.order_by("-since")[:MOST]
        ],
    }


def _version(version: ModelVersion) -> dict[str, Any]:
    report, traffic = version.check_report, traffic_of(version)
    return {
        "version": version.number,
        "state": version.state,
        "format": version.format,
        "description": version.description,
        "created_at": version.created_at.isoformat(),
        "created_by": version.created_by.username if version.created_by else None,
        "digest": version.digest,
        "size_bytes": version.size_bytes,
        "files": [
            {"path": file.path, "size_bytes": file.blob.size_bytes, "sha256": file.blob_id}
            for file in version.files.select_related("blob")[:100]
        ],
        "signature": version.signature,
        "metrics": version.metrics,
        "check": {
            "at": _time(version.checked_at),
            "steps": [{"step": one["step"], "state": one.get("state", "")} for one in report.get("steps", [])],
            "memory_bytes": report.get("memory_bytes"),
            "latency_ms": report.get("latency_ms", {}),
            "missing_walls": report.get("missing_walls", []),
        },
        "traffic": {
            "requests": traffic.requests,
            "error_share": traffic.error_share,
            "p50_ms": traffic.p50_ms,
            "p95_ms": traffic.p95_ms,
        },
        "training_data": _training_data(version),
        "evaluations": _evaluations(version),
        "approvals": _approvals(version),
    }


def _training_data(version: ModelVersion) -> list[dict[str, Any]]:
    known = version.training_data.select_related("dataset_version__dataset", "dataset_version__source")
    return [_data(one.dataset_version) for one in known]


def _data(version: DatasetVersion) -> dict[str, Any]:
    made_of: list[str] = []
    above = version
    while above.parent_id and len(made_of) < MOST_ANCESTORS:
        above = DatasetVersion.objects.select_related("dataset", "source").get(pk=above.parent_id)
        made_of.append(f"{above.dataset.name}:{above.number}")
    return {
        "name": f"{version.dataset.name}:{version.number}",
        "rows": version.rows,
        "digest": version.digest,
        "licence": version.dataset.licence,
        "has_personal_data": version.dataset.has_personal_data,
        "sealed_at": _time(version.sealed_at),
        "made_of": made_of,
        "read_from": str(above.source) if above.source else "",
    }


def _evaluations(version: ModelVersion) -> list[dict[str, Any]]:
    """Give the newest evaluation over each dataset version."""
    finished = Evaluation.objects.filter(version=version, finished_at__isnull=False).select_related(
        "dataset_version__dataset"
    )
    newest: dict[Any, Evaluation] = {}
    for one in finished.order_by("-id")[:100]:
        newest.setdefault((one.dataset_version_id, str(one.options.get("split", ""))), one)
    places = {name: place for place, name in enumerate(METRICS)}
    return [
        {
            "id": str(one.pk),
            "data": f"{one.dataset_version.dataset.name}:{one.dataset_version.number}",
            "split": str(one.options.get("split", "")),
            "rows": one.rows,
            "wrong_rows": one.wrong_rows,
            "finished_at": _time(one.finished_at),
            "metrics": dict(sorted(one.metrics.items(), key=lambda item: places.get(item[0], len(places)))),
            "slices": {column: values[:MOST_SLICES] for column, values in one.report.get("slices", {}).items()},
        }
        for one in newest.values()
    ]


def _approvals(version: ModelVersion) -> list[dict[str, Any]]:
    requests = ApprovalRequest.objects.filter(version=version).prefetch_related("decisions").order_by("-id")
    return [
        {
            "what": one.alias or one.deployment,
            "state": one.state,
            "asked_by": one.asked_by_name,
            "asked_at": one.created_at.isoformat(),
            "comment": one.comment,
            "decisions": [
                {"by": said.person_name, "verdict": said.verdict, "comment": said.comment}
                for said in one.decisions.all()
            ],
        }
        for one in requests[:MOST]
    ]


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
