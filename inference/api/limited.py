"""A key for some deployments, at the addresses below a deployment."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from common.api import EVERY_ACTION
from common.names import composed


class OfOneDeployment(GenericViewSet[Any]):
    """Lets a key for some deployments in to these only; `name` of the address is the deployment."""

    open_to_limited = EVERY_ACTION

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Ask once who calls and whether they may, then whether the key is open to the deployment."""
        super().initial(request, *args, **kwargs)
        if "name" in self.kwargs:
            request.auth.demand_model(composed(self.kwargs["name"]))
