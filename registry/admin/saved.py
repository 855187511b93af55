"""What the page of a version says of a folder that MLflow saved, and of one that is only kept."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from registry.conversion import conversion, flavours_of, why_kept
from registry.models import ModelVersion

_MOST = 40


def of_mlflow(version: ModelVersion) -> dict[str, Any]:
    """Give the facts of its `MLmodel` and, if it is only kept, why and what to do; a manifest may say anything."""
    told = version.manifest.get("mlflow")
    told = told if isinstance(told, dict) else {}
    is_kept = version.format == ModelVersion.Format.OTHER
    return {
        "flavours": flavours_of(version),
        "facts": [(label, str(told[key])) for key, label in _labels() if isinstance(told.get(key), str)],
        "environment": _texts(told.get("environment")),
        "entries": [*_entries(told.get("inputs"), _("takes")), *_entries(told.get("outputs"), _("gives"))],
        "why": why_kept(version) if is_kept else "",
        "commands": conversion(version) if is_kept else "",
        "source": version.source,
        "run": version.run_id,
    }


def _labels() -> list[tuple[str, str]]:
    return [
        ("mlflow_version", _("Saved by MLflow")),
        ("utc_time_created", _("Saved at (UTC)")),
        ("model_uuid", "model_uuid"),
        ("model_id", "model_id"),
    ]


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value[:_MOST]] if isinstance(value, list) else []


def _entries(value: Any, side: str) -> list[tuple[str, str, str]]:
    known = [one for one in value[:_MOST] if isinstance(one, dict)] if isinstance(value, list) else []
    return [(str(one.get("name") or "–"), side, str(one.get("kind", ""))) for one in known]
