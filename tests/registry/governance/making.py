"""Versions that are ready without files, protected aliases, and people who ask and decide."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from accounts.models import User
from registry import services
from registry.models import AliasRule, GatePolicy, ModelVersion, RegisteredModel
from tests.accounts.making import make_user

SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


def make_ready(number: int, *, name: str = "intent", maker: User | None = None, **more: Any) -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(name=name)
    RegisteredModel.objects.filter(pk=model.pk).update(last_version=number)
    fields = {"state": "ready", "format": "safetensors", "signature": SIGNATURE, "created_by": maker}
    return ModelVersion.objects.create(model=model, number=number, **(fields | more))


def make_admin() -> User:
    return make_user("administrator")


def protect(name: str = "champion", **demands: Any) -> AliasRule:
    demands = {"roles": ["administrator", "operator"], "approvals": 1, "is_gated": True} | demands
    return services.protect_alias(name=name, actor=make_admin(), **demands)


def guard_serving(model: RegisteredModel, *, approvals: int = 1, fails: bool = False, **more: Any) -> GatePolicy:
    """A gate of a model; one that `fails` asks for an evaluation over a dataset that is not there."""
    one = {"kind": "metric", "dataset": str(uuid4()), "metric": "accuracy", "at_least": 0.9}
    wanted = {"approvals": approvals, "requirements": [one] if fails else [], **more}
    return GatePolicy.objects.update_or_create(model=model, defaults=wanted)[0]


def ask(version: ModelVersion, asker: User, **more: Any) -> Any:
    wish = {} if "deployment" in more else {"alias": "champion"}
    return services.request_approval(version=version, actor=asker, **(wish | more))


def approve(request: Any, judge: User | None = None) -> Any:
    judge = judge or make_user("operator")
    return services.decide(request=request, actor=judge, verdict="approve", comment="looks right")


def champion(model: RegisteredModel, name: str = "champion") -> int | None:
    alias = model.aliases.filter(name=name).select_related("version").first()
    return alias.version.number if alias else None
