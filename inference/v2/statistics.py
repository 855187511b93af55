"""The statistics extension: what each version of a deployment has served so far.

Source: Triton, docs/protocol/extension_statistics.md.
"""

from __future__ import annotations

from typing import Any

from common.errors import NotAllowed
from inference.engine import PREDICT
from inference.figures.sums import Total
from inference.v2.exchange import Exchange


async def statistics(call: Exchange) -> None:
    """Give the figures of a version, of a deployment, or of all deployments that the caller may call."""
    if call.name:
        _caller, endpoint = await call.let_in()
        endpoints = [endpoint]
        if call.version is not None:
            endpoint.choose(call.version)
    else:
        caller = await call.engine.identify(call.headers())
        if not caller.may(PREDICT):
            raise NotAllowed("this credential may not call deployments; it needs the scope predict")
        endpoints = [one for one in call.engine.current().endpoints.values() if caller.may_call(one.name)]
    counted = await call.shared.totals.read(call.engine)
    lines = [
        describe(endpoint.name, version, counted.get((endpoint.name, version), Total()))
        for endpoint in endpoints
        for version in sorted(
            {target.version for target in endpoint.targets}
            | {version for name, version in counted if name == endpoint.name}
        )
        if call.version in (None, str(version))
    ]
    await call.answer({"model_stats": lines})


def describe(name: str, version: int, total: Total) -> dict[str, Any]:
    """Give the figures of a version in Triton's shape.

    What is neither waiting nor the model is all before it: reading, checking and moving tensors. Answers are written
    after the clock of a call has stopped, so `compute_output` has no time of its own.
    """
    infer_ms, queue_ms = total.run_sum_ms, total.queue_sum_ms
    input_ms = max(0.0, total.success_sum_ms - infer_ms - queue_ms)
    return {
        "name": name,
        "version": str(version),
        "last_inference": round(total.last_at.timestamp() * 1000) if total.last_at else 0,
        "inference_count": total.success_rows,
        "execution_count": round(total.executions),
        "inference_stats": {
            "success": _duration(total.successes, total.success_sum_ms),
            "fail": _duration(total.errors, total.error_sum_ms),
            "queue": _duration(total.successes, queue_ms),
            "compute_input": _duration(total.successes, input_ms),
            "compute_infer": _duration(total.successes, infer_ms),
            "compute_output": _duration(total.successes, 0),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "response_stats": {},
        "batch_stats": [
            {
                "batch_size": int(size),
                "compute_input": _duration(count, 0),
                "compute_infer": _duration(count, ms),
                "compute_output": _duration(count, 0),
            }
            for size, (count, ms) in sorted(total.batches.items(), key=lambda one: int(one[0]))
        ],
        "memory_usage": [],
    }


def _duration(count: float, ms: float) -> dict[str, int]:
    return {"count": round(count), "ns": round(ms * 1_000_000)}
