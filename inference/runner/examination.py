"""The steps of a version's check. Each gives a sentence, or fails with one that the model's author can act on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from safetensors.torch import save

from common.errors import FluemanError, Unprocessable
from inference.runner.batching import check_inputs, describe
from inference.runner.frames import Tensor, join_rows, split_rows, unpack_strings
from inference.runner.inputs import make_inputs, sample_inputs, to_plain, with_rows
from inference.runner.likeness import is_alike
from inference.runner.loader import load, read_weights
from inference.runner.options import Placement
from inference.runner.pipelines import Pipeline
from inference.runner.server import memory_bytes
from registry.manifest import Manifest, read_manifest
from registry.numbers import to_array

STEPS = ("open", "load", "convert", "signature", "sample", "batch", "measure")

_BATCH_ROWS = 5
_RUNS, _RUNS_S = 50, 1.5  # of one measurement, whichever ends first
_SHOWN_VALUES = 64


class Examination:
    """Runs the steps in order and stops at the first that fails."""

    _manifest: Manifest
    _pipeline: Pipeline
    _inputs: list[Tensor]

    def __init__(
        self,
        *,
        folder: Path,
        out: Path,
        is_trusted: bool,
        max_batch: int,
        report: TextIO,
        missing_walls: list[str],
        is_open: bool = False,
        placement: Placement = Placement(),  # noqa: B008 - it is frozen
    ) -> None:
        self._placement = placement
        self._folder, self._out = folder, out
        self._is_trusted = is_trusted
        self._needed_walls = [] if is_open else missing_walls
        self._max_batch = max_batch
        self._report = report
        self._found: dict[str, Any] = {"steps": [], "missing_walls": missing_walls}

    def run(self) -> bool:
        """Run every step and print the report. Gives whether all passed."""
        is_ok = all(self._step(name, getattr(self, f"_{name}")) for name in STEPS)
        self._print({"report": {"ok": is_ok, **self._found}})
        return is_ok

    def _step(self, name: str, work: Callable[[], str]) -> bool:
        self._print({"step": name, "state": "running", "message": "", "ms": 0})
        started, state = time.monotonic(), "passed"
        try:
            message = work()
        except FluemanError as error:
            state, message = "failed", error.message
        except BaseException as error:  # a model may raise anything; its author is told
            state, message = "failed", describe(error)[1]
        line = {"step": name, "state": state, "message": message, "ms": round((time.monotonic() - started) * 1000)}
        self._found["steps"].append(line)
        self._print(line)
        return state == "passed"

    def _print(self, line: dict[str, Any]) -> None:
        print(json.dumps(line, ensure_ascii=False), file=self._report, flush=True)

    def _open(self) -> str:
        self._manifest = manifest = read_manifest(self._folder)
        self._found |= {"format": manifest.format, "task": manifest.task, "signature": manifest.signature.as_dict()}
        self._max_batch = min(self._max_batch, manifest.limits.get("max_batch", self._max_batch))
        return f"{manifest.format}, {manifest.architecture or 'a program'}, task {manifest.task}"

    def _load(self) -> str:
        self._pipeline = load(
            self._folder,
            self._manifest,
            placement=self._placement,
            is_trusted=self._is_trusted,
            missing_walls=self._needed_walls,
        )
        self._found["memory_bytes"] = memory_bytes()
        return f"{self._found['memory_bytes'] // 1024**2} MiB in the process"

    def _convert(self) -> str:
        manifest = self._manifest
        if manifest.format != "state_dict":
            return "kept as it is"
        weights = read_weights(self._folder / manifest.weights, manifest)
        with self._out.open("r+b") as file:  # not by `save_file`, which writes a file of another name first
            file.write(save(_apart(weights)))
        return f"{len(weights)} tensors written as safetensors"

    def _signature(self) -> str:
        signature, given = self._manifest.signature, sample_inputs(self._manifest)
        probes = [given] if given else [make_inputs(signature, rows=1, kind=kind) for kind in ("zeros", "random")]
        for probe in probes:
            outputs = self._run(probe)
        self._inputs = probes[-1]
        shapes = (f"{spec.name} {out.datatype} {list(out.shape)}" for spec, out in self._named(outputs))
        return f"gives {', '.join(shapes)} for {'the sample' if given else 'zeros and random numbers'}"

    def _sample(self) -> str:
        outputs = self._run(self._inputs)
        signature = self._manifest.signature
        self._found["sample"] = {
            "inputs": {s.name: to_plain(t, _SHOWN_VALUES) for s, t in zip(signature.inputs, self._inputs, strict=True)},
            "outputs": {spec.name: to_plain(tensor, _SHOWN_VALUES) for spec, tensor in self._named(outputs)},
        }
        return json.dumps(self._found["sample"]["outputs"], ensure_ascii=False)[:300]

    def _batch(self) -> str:
        signature = self._manifest.signature
        if not signature.is_batched:
            return "takes one request at a time"
        rows = min(_BATCH_ROWS, self._max_batch)
        batch = with_rows(self._inputs, rows, make_inputs(signature, rows=rows, kind="random"))
        together = self._run(batch)
        alone = [self._run(list(row)) for row in zip(*(split_rows(t, [1] * rows) for t in batch), strict=True)]
        for (spec, joined), parts in zip(self._named(together), zip(*alone, strict=True), strict=True):
            if not _is_equal(joined, join_rows(parts)):
                raise Unprocessable(
                    f"output `{spec.name}` of a row changes when other rows run beside it: rows must not mix "
                    "(batch statistics, padding without a mask)"
                )
        return f"{rows} rows give the same together and alone"

    def _measure(self) -> str:
        sizes = [1, self._max_batch] if self._manifest.signature.is_batched and self._max_batch > 1 else [1]
        random = [make_inputs(self._manifest.signature, rows=rows, kind="random") for rows in sizes]
        latency = {
            str(rows): self._latency(with_rows(self._inputs, rows, other))
            for rows, other in zip(sizes, random, strict=True)
        }
        self._found |= {"latency_ms": latency, "memory_bytes": memory_bytes()}
        return ", ".join(f"{rows} rows: p50 {t['p50']} ms, p95 {t['p95']} ms" for rows, t in latency.items())

    def _latency(self, inputs: list[Tensor]) -> dict[str, float]:
        self._run(inputs)
        times: list[float] = []
        until = time.perf_counter() + _RUNS_S
        while not times or (len(times) < _RUNS and time.perf_counter() < until):
            given = _copied(inputs)
            started = time.perf_counter()
            self._pipeline.run(given)
            times.append((time.perf_counter() - started) * 1000)
        p50, p95 = np.percentile(times, [50, 95])
        return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}

    def _run(self, inputs: list[Tensor]) -> list[Tensor]:
        """Run once; outputs are what the signature says, or the pipeline has said what is wrong."""
        rows = check_inputs(self._manifest.signature, inputs)
        outputs = self._pipeline.run(_copied(inputs))
        if self._manifest.signature.is_batched:
            for spec, tensor in self._named(outputs):
                if tensor.shape[0] != rows:
                    raise Unprocessable(f"output `{spec.name}` has {tensor.shape[0]} rows for {rows} rows of input")
        return outputs

    def _named(self, outputs: Sequence[Tensor]) -> list[tuple[Any, Tensor]]:
        return list(zip(self._manifest.signature.outputs, outputs, strict=True))


def _copied(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Give tensors with memory of their own: a program may change its input in place."""
    return [tensor._replace(payload=memoryview(bytearray(tensor.payload))) for tensor in inputs]


def _apart(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the tensors with memory of their own each, as safetensors wants them."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in weights.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = (tensor.detach().clone() if place in seen else tensor.detach()).contiguous()
        seen.add(place)
    return apart


def _is_equal(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and is_alike(left.datatype, _values(left), _values(right))


def _values(tensor: Tensor) -> Any:
    return unpack_strings(tensor.payload) if tensor.datatype == "BYTES" else to_array(tensor.datatype, tensor.payload)
