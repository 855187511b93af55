"""What the address of a list may ask for."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import get_fields_from_path
from django.db.models import Model


def parameters(model: type[Model], list_filter: Any) -> set[str]:
    """Give the parameters that a filter of a list reads."""
    if isinstance(list_filter, type):
        return {list_filter.parameter_name}  # type: ignore[attr-defined]
    name = list_filter[0] if isinstance(list_filter, tuple | list) else list_filter
    field: Any = get_fields_from_path(model, name)[-1]
    exact = f"{name}__{field.target_field.name}__exact" if field.is_relation else f"{name}__exact"
    return {name, exact, f"{name}__isnull"}
