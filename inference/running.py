"""From a call that has been read to what its version answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from django.conf import settings

from common.errors import NotReady, Unavailable
from inference.runners import Runners
from inference.snapshot import Endpoint, Snapshot
from inference.traffic.watching import Watch
from inference.transport import Result, is_finite, travelling
from registry.signature import Signature

if TYPE_CHECKING:
    from inference.asked import Answer, Ask

AWAY_S = 0.05  # between looks for a version whose processes are away
MOST_AWAY_S = 60.0
MOST_HELD = 2048  # calls that wait for that


class Running:
    """Has versions answer, and waits for those that are away for a moment. Lives on one event loop."""

    def __init__(self, runners: Runners, watch: Watch, current: Callable[[], Snapshot]) -> None:
        self._runners = runners
        self._watch = watch
        self._current = current
        self._held = 0

    async def run(self, endpoint: Endpoint, ask: Ask, answer: Answer) -> None:
        """Fill the answer with what its version, or the live one where a canary fails, makes of its inputs."""
        deadline = ask.begun + settings.INFER_DEADLINE_S
        if endpoint.canary is None or ask.version is not None:
            await self._infer(ask, answer, deadline)
        else:
            await self._watch.infer(endpoint, endpoint.canary, ask, answer, deadline, self._infer)

    async def _infer(self, ask: Ask, answer: Answer, deadline: float) -> None:
        assert answer.inputs is not None
        while True:
            try:
                runner = self._runners.get(answer.target)
                if answer.target.remote is not None:
                    travelling.set((ask.id, ask.trace_id))
                result = await runner.submit(answer.inputs.tensors, answer.inputs.rows, deadline)
            except NotReady as error:  # nothing was sent
                await self._until_back(ask, answer, deadline, error)
            else:
                return _fill(answer, result, answer.target.signature)

    async def _until_back(self, ask: Ask, answer: Answer, deadline: float, error: NotReady) -> None:
        """Wait a moment and choose again. Raises the error where waiting is in vain, or too many wait already."""
        is_late = perf_counter() + AWAY_S > min(deadline, ask.begun + MOST_AWAY_S)
        if is_late or not answer.target.has_served or self._held >= MOST_HELD:
            raise error
        self._held += 1
        answer.waits += 1
        try:
            await asyncio.sleep(AWAY_S)
        finally:
            self._held -= 1
        target = self._current().endpoint(ask.deployment).choose(ask.version)
        if target.signature != answer.target.signature:
            raise error
        answer.target = target


def _fill(answer: Answer, result: Result, signature: Signature) -> None:
    answer.queue_ms, answer.run_ms = result.queue_ms, result.run_ms
    answer.executions = result.executions_per_row * answer.inputs.rows or None if answer.inputs else None
    answer.outputs = list(zip(signature.outputs, result.outputs, strict=True))
    for spec, output in answer.outputs:
        if not is_finite(output):
            raise Unavailable(f"the model gave a number that is not finite in '{spec.name}'", code="output_not_finite")
