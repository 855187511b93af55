"""The first calls of a model, before callers come: what they set up costs no caller time."""

from __future__ import annotations

import signal
import time

from inference.runner.batching import Pipeline, check_inputs, describe
from inference.runner.frames import Tensor, split_rows
from inference.runner.inputs import make_inputs, sample_inputs, with_rows
from registry.manifest import Manifest

_LONGEST_S = 2.0  # for the full batch, judged by one row


def warm_up(pipeline: Pipeline, manifest: Manifest, *, max_batch: int, deadline_s: float) -> None:
    """Run the smallest and a full batch. Raises what a model raises at its own sample; made-up inputs it may refuse."""
    signature, sample = manifest.signature, sample_inputs(manifest)
    signal.setitimer(signal.ITIMER_REAL, deadline_s)  # as at every call: nothing else ends a native loop
    try:
        if sample:
            check_inputs(signature, sample)
            pipeline.run(sample)
        smallest = _first_row(sample) if sample and signature.is_batched else sample
        took_s = _try(pipeline, smallest or make_inputs(signature, rows=1, kind="random"))
        rows = min(max_batch, int(_LONGEST_S / max(took_s, 1e-6)))
        if signature.is_batched and rows > 1:
            _try(pipeline, with_rows(sample, rows, []) if sample else make_inputs(signature, rows=rows, kind="random"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _first_row(inputs: list[Tensor]) -> list[Tensor]:
    return [split_rows(tensor, [1] * tensor.shape[0])[0] for tensor in inputs]


def _try(pipeline: Pipeline, inputs: list[Tensor]) -> float:
    """Run once and give the seconds it took; what it says of a failure goes to the log."""
    began = time.perf_counter()
    try:
        pipeline.run(inputs)
    except Exception as error:  # it has passed its check; the caller who sends such inputs is told
        describe(error)
    return time.perf_counter() - began
