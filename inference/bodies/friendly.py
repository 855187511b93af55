"""The answer of the friendly door: values by output name, nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from inference.bodies.payload import nested_values

if TYPE_CHECKING:
    from inference.asked import Answer


def friendly_answer(deployment: str, answer: Answer) -> bytes:
    """Give what a call got, and who answered."""
    return orjson.dumps(
        {
            "outputs": {spec.name: nested_values(output) for spec, output in answer.outputs},
            "deployment": deployment,
            "model": answer.target.model,
            "version": answer.target.version,
            "request_id": _dashed(answer.request_id),
            "timing": {
                "parse_ms": round(answer.parse_ms, 3),
                "queue_ms": round(answer.queue_ms, 3),
                "model_ms": round(answer.run_ms, 3),
                "total_ms": round(answer.total_ms, 3),
            },
        }
    )


def _dashed(value: str) -> str:
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
