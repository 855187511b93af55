"""A version that was approved begins to serve: as its model's policy plans."""

from __future__ import annotations

from common.names import composed
from common.transactions import transactional
from inference.models import Deployment
from inference.services.deployments import Actor
from inference.services.routing import Kind, shares_of
from inference.services.traffic import deploy, start_canary
from inference.traffic.choosing import SLOTS
from inference.traffic.judging import Guard
from registry.models import GatePolicy, ModelVersion


@transactional
def let_serve(*, name: str, version: ModelVersion, actor: Actor, reason: str = "") -> None:
    """Start the canary of the policy's plan, which grows by itself; where there is no plan, or nothing live, deploy.

    Raises what `start_canary` and `deploy` raise.
    """
    policy = GatePolicy.objects.filter(model=version.model_id).first()
    guard = Guard.from_dict(policy.canary_plan) if policy and policy.canary_plan else Guard()
    deployment = Deployment.objects.filter(name=composed(name)).first()
    live = [share for share in shares_of(deployment) if share.kind == Kind.LIVE] if deployment else []
    first = next((step for step in guard.steps if step < SLOTS), None)
    if deployment is None or first is None or not live or any(share.version == version for share in live):
        deploy(name=name, version=version, actor=actor, reason=reason)
    else:
        start_canary(deployment=deployment, version=version, weight=first, guard=guard, actor=actor, reason=reason)
