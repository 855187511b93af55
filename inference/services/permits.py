"""The rule of promotion, asked before a version answers the callers of a deployment."""

from __future__ import annotations

from collections.abc import Sequence

from inference.models import Deployment
from inference.services.deployments import Actor
from inference.services.routing import Kind, Share
from registry.models import ModelVersion
from registry.services.promotion import Permit, demand


def permitted(
    deployment: Deployment, version: ModelVersion, shares: Sequence[Share], actor: Actor, *, is_return: bool = False
) -> Permit:
    """Ask the rule of promotion before a version answers callers. One that is live does so already."""
    kind = next((share.kind for share in shares if share.version == version and share.kind != Kind.SHADOW), None)
    if kind == Kind.LIVE:
        return Permit()
    is_serving = kind == Kind.CANARY
    return demand(version=version, actor=actor, deployment=deployment.name, is_serving=is_serving, is_return=is_return)


def served_before(deployment: Deployment, shares: Sequence[Share]) -> set[str]:
    """Give the keys of the versions that were live before one that is live now was so for the first time.

    A version that was rolled back from is not among them: to let it serve once more it is asked for anew.
    """
    now = {share.version.pk.hex for share in shares if share.kind == Kind.LIVE}
    earlier: set[str] = set()
    for routes in deployment.revisions.order_by("number").values_list("routes", flat=True).iterator(chunk_size=100):
        live = {one["version"] for one in routes if one["kind"] == Kind.LIVE}
        if live & now:
            return earlier | live
        earlier |= live
    return earlier
