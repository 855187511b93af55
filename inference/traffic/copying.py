"""Copies of calls on their way to a shadow, and what is kept of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.utils import timezone

from common.errors import FluemanError, Unavailable
from inference.bodies.payload import rows_of
from inference.figures.latency import bucket
from inference.models import ShadowResult
from inference.snapshot import Tried
from inference.traffic.difference import Difference, difference
from inference.traffic.evidence import score_bucket
from inference.transport import Output, Result, is_finite

if TYPE_CHECKING:
    from inference.asked import Answer

MOST_OUTPUT_BYTES = 16 * 1024


@dataclass(slots=True)
class Copied:
    """One call that a shadow got as well, with the live answer."""

    shadow: Tried
    request_id: str
    deployment: str
    answer: Answer
    size: int
    latency_ms: float = 0.0
    error: BaseException | None = None
    result: Result | None = None

    def finish(self, error: BaseException | None, result: Result | None, latency_ms: float) -> None:
        """Take what the shadow answered."""
        self.error, self.result, self.latency_ms = error, result, latency_ms


@dataclass(slots=True)
class ShadowCounts:
    """What one process counted of a shadow."""

    answered: int = 0
    failed: int = 0
    dropped: int = 0
    labelled: int = 0
    same_labels: float = 0.0
    difference: float = 0.0
    latency: Counter[str] = field(default_factory=Counter)
    score_differences: Counter[str] = field(default_factory=Counter)

    def add(self, row: ShadowResult, apart: Difference | None) -> None:
        """Count a copy that was answered, or failed."""
        if apart is None:
            self.failed += 1
            return
        self.answered += 1
        self.difference += apart.largest
        self.latency[str(bucket(row.latency_ms))] += 1
        self.score_differences.update(str(score_bucket(one)) for one in apart.scores)
        if apart.same_labels is not None:
            self.labelled += 1
            self.same_labels += apart.same_labels

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        counted = {name: getattr(self, name) for name in ("answered", "failed", "dropped", "labelled")}
        return {
            **counted,
            "same_labels": self.same_labels,
            "difference": self.difference,
            "latency": dict(self.latency),
            "score_differences": dict(self.score_differences),
        }


def kept(copied: Copied) -> tuple[ShadowResult, Difference | None]:
    """Give the row of a copy, and how far its answer is from the live one; `None` where it failed."""
    answer, target = copied.answer, copied.shadow.target
    row = ShadowResult(
        created_at=timezone.now(),
        request_id=copied.request_id,
        deployment=copied.deployment,
        model=target.model,
        version=target.version,
        live_version=answer.target.version,
        rows=answer.inputs.rows if answer.inputs else 0,
        latency_ms=copied.latency_ms,
        live_latency_ms=answer.queue_ms + answer.run_ms,
    )
    if copied.result is None or not all(map(is_finite, copied.result.outputs)):
        error = copied.error or Unavailable("the shadow gave a number that is not finite", code="output_not_finite")
        row.error_code = error.code if isinstance(error, FluemanError) else "unavailable"
        row.error = error.message[:2000] if isinstance(error, FluemanError) else ""
        return row, None
    named = list(zip(target.signature.outputs, copied.result.outputs, strict=True))
    live: dict[str, Output] = {spec.name: output for spec, output in answer.outputs}
    apart = difference(live, {spec.name: output for spec, output in named})
    row.difference, row.by_output = apart.largest, apart.by_output
    row.same_labels, row.score_difference = apart.same_labels, apart.score
    rows = rows_of(named, row.rows, is_batched=target.signature.is_batched, as_arrays=True)
    text = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY) if copied.size <= MOST_OUTPUT_BYTES else b""
    row.outputs = text.decode() if len(text) <= MOST_OUTPUT_BYTES else ""
    return row, apart
