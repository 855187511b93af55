"""What web processes counted of canaries and shadows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from inference.models import Route, RouteTally


def keep_tally(*, route_id: int, process: UUID, counts: Mapping[str, Any]) -> Route | None:
    """Write what this process has counted of a route so far, and give the route; `None` if it has ended."""
    route = Route.objects.select_related("deployment", "version__model").filter(pk=route_id).first()
    if route is None:
        return None
    try:
        with transaction.atomic():
            RouteTally.objects.update_or_create(route=route, process=process, defaults={"counts": dict(counts)})
    except IntegrityError:  # it ended just now
        return None
    return route
