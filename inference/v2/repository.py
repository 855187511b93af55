"""The model repository extension: which deployments there are, and putting them in and out of service.

Source: Triton, docs/protocol/extension_model_repository.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from time import monotonic
from typing import Any

from django.utils.translation import override

from accounts.models import User
from common.context import Origin, origin
from common.errors import Conflict, Invalid, NotAllowed, NotFound, NotReady
from common.ids import uuid7
from inference import services
from inference.engine import PREDICT
from inference.models import Deployment, RunnerState
from inference.snapshot import Endpoint, Target
from inference.v2.exchange import Exchange

SWITCH = "inference.disable_deployment"
LOAD_S = 25.0  # how long a call waits for a model to be loaded
_LOOK_S = 0.2
_STATES = {RunnerState.State.READY.value: "READY", RunnerState.State.STARTING.value: "LOADING"}


async def index(call: Exchange) -> None:
    """List the deployments that the caller may call, a line for each version."""
    caller = await call.engine.identify(call.headers())
    if not caller.may(PREDICT):
        raise NotAllowed("this credential may not call deployments; it needs the scope predict")
    wanted = (await call.read_object()).get("ready", False)
    if type(wanted) is not bool:
        raise Invalid("ready must be true or false", fields={"ready": "must be true or false"})
    endpoints = call.engine.current().endpoints.values()
    lines = [line for endpoint in endpoints if caller.may_call(endpoint.name) for line in _lines(endpoint)]
    await call.answer([line for line in lines if line["state"] == "READY" or not wanted])


def _lines(endpoint: Endpoint) -> Iterator[dict[str, str]]:
    if not endpoint.answering:
        yield {"name": endpoint.name, "state": "UNAVAILABLE", "reason": "no version was deployed"}
    for target in endpoint.answering:
        state, reason = _state(endpoint, target)
        yield {"name": endpoint.name, "version": str(target.version), "state": state, "reason": reason}


def _state(endpoint: Endpoint, target: Target) -> tuple[str, str]:
    if not endpoint.is_enabled:
        return "UNAVAILABLE", "unloaded"
    state = _STATES.get(target.state, "UNAVAILABLE")
    return state, target.error if state == "UNAVAILABLE" else ""


async def load(call: Exchange) -> None:
    """Put a deployment in service and wait until it has loaded. Safe to repeat."""
    await _switch(call, enabled=True)
    await _wait_until_loaded(call)
    await call.answer({})


async def unload(call: Exchange) -> None:
    """Take a deployment out of service. Safe to repeat."""
    await _switch(call, enabled=False)
    await call.answer({})


async def _switch(call: Exchange, *, enabled: bool) -> None:
    engine = call.engine
    caller = await engine.identify(call.headers())
    if not caller.may(SWITCH):
        raise NotAllowed("this credential may not put deployments in or out of service")
    caller.demand_model(call.name)
    await engine.count(caller)
    _check_parameters((await call.read_object()).get("parameters"))
    if call.name not in engine.current().endpoints:
        await engine.refresh()
    engine.current().endpoint(call.name)  # no name that anybody makes up reaches the database
    where = Origin(str(uuid7()), call.address, caller.label if caller.key_id else "")
    await engine.in_thread(partial(_set_enabled, call.name, enabled, caller.user_id, where))
    await engine.refresh()


def _check_parameters(parameters: Any) -> None:
    """Refuse what would bring in a model past the registry; other parameters change nothing here."""
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise Invalid("parameters must be an object", fields={"parameters": "must be an object"})
    for name in parameters:
        if name == "config" or name.startswith("file:"):
            raise Invalid(
                f"{name[:100]}: models and their configuration come from the registry, not with a call to load them",
                fields={"parameters": "config and files are not taken"},
            )
    if type(parameters.get("unload_dependents", False)) is not bool:
        raise Invalid("unload_dependents must be true or false", fields={"parameters": "must be true or false"})


def _set_enabled(name: str, enabled: bool, user_id: int, where: Origin) -> None:
    deployment = Deployment.objects.filter(name=name).first()
    if deployment is None:
        raise NotFound(f"there is no deployment '{name[:100]}'", code="unknown_model")
    token = origin.set(where)
    try:
        if deployment.is_enabled != enabled:
            with override("en"):
                services.set_enabled(deployment=deployment, enabled=enabled, actor=User.objects.get(pk=user_id))
    except Conflict:
        deployment.refresh_from_db()
        if deployment.is_enabled != enabled:
            raise
    finally:
        origin.reset(token)


async def _wait_until_loaded(call: Exchange) -> None:
    """Wait until a version serves. Raises NotReady if none can, or none does in time."""
    until = monotonic() + LOAD_S
    while True:
        endpoint = call.engine.current().endpoint(call.name)
        states = {target.state: target for target in endpoint.answering}
        if RunnerState.State.READY.value in states:
            return
        if not states:
            raise NotReady(f"deployment '{call.name}' has no version to load", code="no_version")
        if set(states) == {RunnerState.State.FAILED.value}:
            raise NotReady(f"the model could not be loaded: {endpoint.answering[0].error}"[:300], code="not_ready")
        if monotonic() > until:
            raise NotReady("the model is still being loaded", code="not_ready", retry_after_s=5)
        await asyncio.sleep(_LOOK_S)
        await call.engine.refresh()
