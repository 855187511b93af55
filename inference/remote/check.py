"""The check of a version that runs elsewhere: reached, ready, as it was signed, a sample answered, and how fast."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from common.errors import FluemanError, Unavailable, Unprocessable
from inference.remote.client import Client
from inference.remote.discovery import ask_metadata, ask_ready, talking
from inference.remote.places import Place
from inference.remote.runner import RemoteRunner
from inference.remote.wire import differences
from inference.runner.frames import Tensor, split_rows
from inference.runner.inputs import make_inputs, sample_inputs, to_plain, with_rows
from inference.runner.likeness import is_alike
from inference.transport.answers import Output, Result, is_finite
from registry.manifest import Manifest
from registry.signature import Signature

Tell = Callable[[dict[str, Any]], Awaitable[None]]

BATCH_ROWS = 5
RUNS, RUNS_S = 20, 3.0  # of one measurement, whichever ends first
SHOWN_VALUES = 64


@dataclass(slots=True)
class Examination:
    """Runs the steps in order and stops at the first that fails."""

    place: Place
    manifest: Manifest
    tell: Tell
    found: dict[str, Any] = field(default_factory=lambda: {"steps": [], "missing_walls": []})

    async def run(self) -> dict[str, Any]:
        """Give the report."""
        async with talking(self.place) as client:
            runner = RemoteRunner(self.place, signature=self.manifest.signature, queue_rows=1 << 20)
            try:
                is_ok = (
                    await self._step("reach", lambda: self._reach(client))
                    and await self._step("signature", lambda: self._signature(client))
                    and await self._step("sample", lambda: self._sample(runner))
                    and await self._step("batch", lambda: self._batch(runner))
                    and await self._step("measure", lambda: self._measure(runner))
                )
            finally:
                runner.close()
        return {"ok": is_ok, **self.found, "converted": {}, "manifest": dict(self.manifest.raw)}

    async def _step(self, name: str, work: Callable[[], Awaitable[str]]) -> bool:
        await self.tell({"step": name, "state": "running", "message": "", "ms": 0})
        began, state = perf_counter(), "passed"
        try:
            message = await work()
        except FluemanError as error:
            state, message = "failed", error.message
        step = {"step": name, "state": state, "message": message, "ms": round((perf_counter() - began) * 1000)}
        self.found["steps"].append(step)
        await self.tell(step)
        return state == "passed"

    async def _reach(self, client: Client) -> str:
        await ask_ready(client, self.place)
        return f"{self.place.server} answers, and the model is ready there"

    async def _signature(self, client: Client) -> str:
        return await check_signature(client, self.place, self.manifest.signature)

    async def _sample(self, runner: RemoteRunner) -> str:
        inputs = self._inputs(1)
        result = await _call(runner, self.place, inputs)
        for output, spec in zip(result.outputs, self.manifest.signature.outputs, strict=True):
            if not is_finite(output):
                raise Unprocessable(f"output `{spec.name}` holds a number that is not finite")
        names = self.manifest.signature
        self.found["sample"] = {
            "inputs": {spec.name: to_plain(one, SHOWN_VALUES) for spec, one in zip(names.inputs, inputs, strict=True)},
            "outputs": {spec.name: _shown(one) for spec, one in zip(names.outputs, result.outputs, strict=True)},
        }
        return "the sample was answered"

    async def _batch(self, runner: RemoteRunner) -> str:
        """Answer several rows in one call, as callers' rows travel, and each by itself: no row may hear of another."""
        rows = min(BATCH_ROWS, self.place.most_rows) if self.manifest.signature.is_batched else 1
        if rows == 1:
            return "each call travels alone"
        inputs = self._inputs(rows)
        together = await _call(runner, self.place, inputs)
        each = zip(*(split_rows(tensor, [1] * rows) for tensor in inputs), strict=True)
        alone = [await _call(runner, self.place, list(row)) for row in each]
        for number, spec in enumerate(self.manifest.signature.outputs):
            if not _is_same(together.outputs[number], [result.outputs[number] for result in alone]):
                raise Unprocessable(
                    f"output `{spec.name}` of a row changes when other rows are in the same call: calls must not "
                    "travel together; register it with max_batch 1"
                )
        return f"{rows} rows give the same together and alone"

    async def _measure(self, runner: RemoteRunner) -> str:
        times: dict[str, dict[str, float]] = {}
        most = self.place.most_rows if self.manifest.signature.is_batched else 1
        for rows in sorted({1, most}):
            times[str(rows)] = await _timed(runner, self.place, self._inputs(rows))
        self.found["latency_ms"] = times
        return ", ".join(f"{rows} rows: {time['p50']:.1f} ms" for rows, time in times.items())

    def _inputs(self, rows: int) -> list[Tensor]:
        made = make_inputs(self.manifest.signature, rows=rows, kind="random")
        inputs = sample_inputs(self.manifest) or made
        return with_rows(inputs, rows, made) if self.manifest.signature.is_batched else inputs


async def check_signature(client: Client, place: Place, signature: Signature) -> str:
    """Compare what a server says of a model with what was registered. Raises Unprocessable where they differ."""
    found = await ask_metadata(client, place)
    if place.is_binary and found.is_binary is None:
        raise Unavailable(f"{place.server} does not say what it takes", code="remote_not_ready", retry_after_s=1)
    if place.is_binary and not found.is_binary:
        raise Unprocessable("the server takes no binary tensors any more: register the model again", code="no_binary")
    if found.signature is None:
        return "the server does not say what the model takes and gives; the given signature holds"
    if wrong := differences(signature, found.signature):
        raise Unprocessable("; ".join(wrong)[:1000], code="signature_changed")
    return "the server says the same"


def _is_same(together: Output, alone: list[Output]) -> bool:
    """Whether rows gave the same in one call as each by itself; one that was filled up to others' length did not."""
    if any(one.shape[1:] != together.shape[1:] for one in alone):
        return False
    parts: list[Any] = [one.values for one in alone]
    apart = [text for part in parts for text in part] if together.datatype == "BYTES" else np.concatenate(parts)
    return is_alike(together.datatype, together.values, apart)


async def _call(runner: RemoteRunner, place: Place, inputs: list[Tensor]) -> Result:
    rows = inputs[0].shape[0] if inputs and inputs[0].shape else 1
    return await runner.submit(inputs, rows, perf_counter() + place.timeout_s)


async def _timed(runner: RemoteRunner, place: Place, inputs: list[Tensor]) -> dict[str, float]:
    taken: list[float] = []
    until = perf_counter() + RUNS_S
    while len(taken) < RUNS and (not taken or perf_counter() < until):
        began = perf_counter()
        await _call(runner, place, inputs)
        taken.append((perf_counter() - began) * 1000)
        await asyncio.sleep(0)
    taken.sort()
    return {"p50": round(taken[len(taken) // 2], 3), "p95": round(taken[int(len(taken) * 0.95)], 3)}


def _shown(output: Output) -> list[Any]:
    if isinstance(output.values, list):
        return [value.decode("utf-8", "replace") for value in output.values[:SHOWN_VALUES]]
    return output.values.ravel()[:SHOWN_VALUES].tolist()  # type: ignore[no-any-return]
