"""What the server and a deployment say of themselves: health, signature, configuration in Triton's words."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from inference.bodies.payload import MAX_ROWS
from inference.snapshot import Endpoint, Target
from inference.v2.exchange import Exchange
from registry.signature import Signature, TensorSpec

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "generate",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
)


async def server(call: Exchange) -> None:
    """Say what this server is and understands."""
    await call.answer({"name": "flueman", "version": settings.VERSION, "extensions": EXTENSIONS})


async def live(call: Exchange) -> None:
    """Say that this process runs."""
    await call.answer({"live": True})


async def server_ready(call: Exchange) -> None:
    """Say whether this process may be sent predictions."""
    is_ready = all(call.shared.readiness.parts().values())
    await call.answer({"ready": is_ready}, status=200 if is_ready else 503)


async def metadata(call: Exchange) -> None:
    """Say what a deployment takes and gives."""
    _caller, endpoint = await call.let_in()
    target = endpoint.choose(call.version)
    signature = target.signature.as_dict()
    for spec in (*signature["inputs"], *signature["outputs"]):
        spec.pop("max_length", None)
    await call.answer(
        {"name": call.name, "versions": _versions(endpoint), "platform": target.platform, **signature},
    )


async def ready(call: Exchange) -> None:
    """Say whether a deployment, or one version of it, would answer now."""
    _caller, endpoint = await call.let_in()
    is_ready = endpoint.choose(call.version).state == "ready"
    await call.answer({"name": call.name, "ready": is_ready}, status=200 if is_ready else 503)


async def config(call: Exchange) -> None:
    """Give what Triton calls the model configuration. Source: triton-inference-server/common, model_config.proto."""
    _caller, endpoint = await call.let_in()
    target = endpoint.choose(call.version)
    await call.answer(describe(call.name, endpoint, target))


def describe(name: str, endpoint: Endpoint, target: Target) -> dict[str, Any]:
    """Give a version as a ModelConfig: dimensions without that of the batch, which `max_batch_size` bounds."""
    signature = target.signature
    batching: dict[str, Any] = {"dynamic_batching": {}} if signature.is_batched else {}
    return {
        "name": name,
        "platform": target.platform,
        "backend": "pytorch",
        "runtime": "",
        "version_policy": {"specific": {"versions": [int(version) for version in _versions(endpoint)]}},
        "max_batch_size": MAX_ROWS if signature.is_batched else 0,
        "input": [
            {**_tensor(spec, signature), "format": "FORMAT_NONE", "optional": False} for spec in signature.inputs
        ],
        "output": [{**_tensor(spec, signature), "label_filename": ""} for spec in signature.outputs],
        "model_transaction_policy": {"decoupled": False},
        "parameters": {"model": {"string_value": target.model}, "version": {"string_value": str(target.version)}},
        **batching,
    }


def _tensor(spec: TensorSpec, signature: Signature) -> dict[str, Any]:
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    dims = spec.row_shape if signature.is_batched else spec.shape
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": list(dims) or [1]}


def _versions(endpoint: Endpoint) -> list[str]:
    """Give the versions that a caller may name."""
    return [str(target.version) for target in endpoint.answering]
