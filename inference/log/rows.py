"""A call and its outputs as rows of the database, made once for each prediction."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any

import orjson

from inference.bodies.stored import text_of

if TYPE_CHECKING:
    from common.errors import FluemanError
    from inference.asked import Answer, Ask

_LABEL_LENGTH = 255


def request_row(
    ask: Ask, answer: Answer, *, status: int, blob: str = "", error: FluemanError | None = None
) -> tuple[Any, ...]:
    """Give a call as `REQUEST_COLUMNS` of the recorder want it; its body as it was sent, unless it is in the store."""
    inputs, caller = answer.inputs, ask.caller
    is_inline = not blob and ask.is_small
    text = text_of(ask.body, ask.json_length, inputs, answer.target.signature) if is_inline else ""
    return (
        ask.id, _now(), ask.deployment, answer.target.model, answer.target.version, answer.target.version_id,
        caller.user_id, caller.key_id, caller.label, ask.door, status,
        error.code if error else "", error.message[:2000] if error else "", inputs.rows if inputs else 0,
        answer.total_ms, answer.queue_ms, answer.run_ms,
        text, blob,
        (inputs.client_id if inputs else "") or ask.client_id, ask.trace_id, ask.address, answer.executions,
    )  # fmt: skip


def prediction_row(request_id: str, row: int, output: dict[str, Any]) -> tuple[Any, ...]:
    """Give one output row as `PREDICTION_COLUMNS` of the recorder want it."""
    label, score = output.get("label", ""), output.get("score")
    return (
        f"{int(request_id, 16) + 1 + row:032x}",  # inference.models.prediction_key
        request_id,
        row,
        orjson.dumps(output, option=orjson.OPT_SERIALIZE_NUMPY).decode(),
        label[:_LABEL_LENGTH] if isinstance(label, str) else "",
        score if isinstance(score, float) else None,
    )


_second = (0, "")


def _now() -> str:
    """Give the time in UTC as every database here takes it; the part down to the second is made once a second."""
    global _second  # noqa: PLW0603 - a cache
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    if _second[0] != seconds:
        _second = (seconds, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S."))
    return f"{_second[1]}{nanoseconds // 1000:06d}"
