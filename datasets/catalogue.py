"""All kinds of steps with their parameters, described for forms, for programs and for pages of reference."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils.translation import gettext_lazy as _

from datasets.steps.base import Step, kinds
from datasets.steps.params import Param, params_of

FAMILIES: dict[str, Any] = {
    "text": _("Text"),
    "korean": _("Korean"),
    "rows": _("Rows"),
    "missing": _("Missing values"),
    "columns": _("Columns"),
    "duplicates": _("Duplicates"),
    "labels": _("Labels"),
    "datasets": _("Other datasets"),
    "tokens": _("Tokens"),
    "personal": _("Personal data"),
}


def catalogue() -> list[dict[str, Any]]:
    """Give every kind, by family, in the language of the moment."""
    order = list(FAMILIES)
    found = sorted(kinds().values(), key=lambda kind: (_place(order, kind.family), str(kind.label)))
    return [describe(kind) for kind in found]


def describe(kind: type[Step]) -> dict[str, Any]:
    """Give one kind and its parameters."""
    defaults = {one.name: _default(one) for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return {
        "kind": kind.kind,
        "label": str(kind.label),
        "help": str(kind.help),
        "family": kind.family,
        "family_label": str(FAMILIES.get(kind.family, kind.family)),
        "icon": kind.icon,
        "params": [_param(name, param, defaults[name]) for name, param in params_of(kind).items()],
    }


def _param(name: str, param: Param, default: Any) -> dict[str, Any]:
    return {
        "name": name,
        "form": param.form,
        "label": str(param.label),
        "help": str(param.help),
        "is_required": param.is_required,
        "default": default,
        "choices": [{"value": value, "label": str(label)} for value, label in param.choices],
        "least": param.least,
        "most": param.most,
        "wants": param.wants,
        "shown_if": {"param": param.shown_if[0], "values": list(param.shown_if[1])} if param.shown_if else None,
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return None
    return list(value) if isinstance(value, tuple) else value


def _place(order: list[str], family: str) -> int:
    return order.index(family) if family in order else len(order)
