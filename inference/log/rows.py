"""A call and its outputs as rows of the database, made once for each prediction."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any

import orjson

from inference.bodies.stored import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def prediction_rows(request_id: str, rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Give output rows as `PREDICTION_COLUMNS` of the recorder want them."""
    first = int(request_id, 16) + 1  # inference.models.prediction_key
    return [_prediction_row(f"{first + row:032x}", request_id, row, output) for row, output in enumerate(rows)]


def _prediction_row(key: str, request_id: str, row: int, output: dict[str, Any]) -> tuple[Any, ...]:
    label, score = output.get("label", ""), output.get("score")
    return (
        key,
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
