"""A version measured: loaded in confined processes of its own under one way of running after another, and called."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

from django.conf import settings

from common.errors import Conflict, FluemanError, Unprocessable
from inference.host import process as processes
from inference.host.database import Database
from inference.host.materialise import materialise
from inference.host.places import run_folder
from inference.host.reports import read_message, read_report
from inference.host.states import read_version
from inference.measuring import Point, percentiles, propose
from inference.models import RunSettings
from inference.models.settings import run_of
from inference.runner import frames
from inference.runner.frames import Tensor
from inference.runner.inputs import make_inputs, sample_inputs, with_rows
from registry.formats import PROGRAMS
from registry.manifest import Manifest, read_manifest
from registry.models import ModelVersion

SECONDS = 0.3  # of one point
BATCHES = (1, 8, 32, 128)
MOST_PROCESSES = 4
_LEAST_CALLS = 5

Tell = Callable[[dict[str, Any]], Awaitable[None]]


async def measure(version_id: UUID, database: Database, tell: Tell) -> dict[str, Any]:
    """Measure a version, telling each point as it is found, and give all with what they propose.

    Raises NotFound if the version is missing, Conflict if it does not run here, DatabaseAwayError.
    """
    version = await database.call(read_version, version_id)
    if version.is_remote or version.state != ModelVersion.State.READY:
        raise Conflict(f"{version} cannot be measured: it must be ready, and run here")
    folder = await asyncio.to_thread(materialise, version)
    manifest = await asyncio.to_thread(read_manifest, folder)
    own = run_of(version)
    points: list[Point] = []
    refusals: list[dict[str, Any]] = []
    for way in _ways(version, own):
        await _try(version, folder, manifest, way, points, refusals, tell)
    best = propose(points)
    for count in range(2, 1 + min(MOST_PROCESSES, os.cpu_count() or 1)):
        way = replace(own, processes=count, threads=best.get("threads", 1), half=best.get("half", ""), max_batch=0)
        await _try(version, folder, manifest, way, points, refusals, tell)
    return {"points": [point.as_dict() for point in points], "refusals": refusals, "proposal": propose(points)}


def _ways(version: ModelVersion, own: RunSettings) -> Iterator[RunSettings]:
    """Give the ways of one process: threads, and half precision where the format allows it."""
    cores = os.cpu_count() or 1
    for half in ("",) if version.format in PROGRAMS else ("", "bf16"):
        for threads in sorted({1, min(2, cores), min(8, cores)}):
            yield replace(own, processes=1, threads=threads, half=half, max_batch=0)


async def _try(
    version: ModelVersion,
    folder: Path,
    manifest: Manifest,
    way: RunSettings,
    points: list[Point],
    refusals: list[dict[str, Any]],
    tell: Tell,
) -> None:
    """Measure one way; one that the model cannot run in is told and left."""
    try:
        async with _running(version, folder, way) as (sockets, memory_bytes):
            for batch in _batches(manifest):
                point = await _point(sockets, manifest, way, batch, memory_bytes)
                points.append(point)
                await tell({"point": point.as_dict()})
    except (FluemanError, OSError, TimeoutError) as error:
        message = read_message(str(error)) or "it took too long"
        refusal = {"processes": way.processes, "threads": way.threads, "half": way.half, "message": message}
        refusals.append(refusal)
        await tell({"refusal": refusal})


def _batches(manifest: Manifest) -> list[int]:
    most = int(min(settings.RUNNER["MAX_BATCH"], manifest.limits.get("max_batch", settings.RUNNER["MAX_BATCH"])))
    return sorted({min(batch, most) for batch in BATCHES}) if manifest.signature.is_batched else [1]


@asynccontextmanager
async def _running(version: ModelVersion, folder: Path, way: RunSettings) -> AsyncIterator[tuple[list[Path], int]]:
    """Run the processes of one way while the block runs; give their sockets and their memory together."""
    place = Path(tempfile.mkdtemp(prefix="x", dir=run_folder()))
    async with AsyncExitStack() as stack:
        stack.callback(place.rmdir)
        sockets, memory_bytes = [], 0
        for number in range(way.processes):
            socket = place / str(number)
            stack.callback(socket.unlink, missing_ok=True)
            process = await processes.start(
                "child",
                *("--socket", socket, "--queue-rows", settings.RUNNER["QUEUE_ROWS"]),
                *("--batch-deadline-s", settings.RUNNER["BATCH_DEADLINE_S"]),
                folder=folder,
                version=version,
                run=way,
            )
            stack.push_async_callback(_end, process, asyncio.create_task(processes.log_errors(process, str(version))))
            async with asyncio.timeout(settings.RUNNER["CHECK_DEADLINE_S"]):
                report = await anext(processes.reports(process), None)
            if report is None or "error" in report:
                raise Unprocessable(read_message(report["error"]) if report else "it ended while it was loaded")
            memory_bytes += read_report(report, None).get("memory_bytes", 0)
            sockets.append(socket)
        yield sockets, memory_bytes


async def _end(process: processes.ForkedProcess, log: asyncio.Task[None]) -> None:
    await processes.kill(process)
    await log


async def _point(sockets: list[Path], manifest: Manifest, way: RunSettings, batch: int, memory_bytes: int) -> Point:
    """Call every process with one batch after another."""
    inputs = _inputs(manifest, batch)
    began = perf_counter()
    times = await asyncio.gather(*(_drive(socket, inputs) for socket in sockets))
    took_s = perf_counter() - began
    every = [time for one in times for time in one]
    p50, p99 = percentiles(every)
    rate = round(len(every) * batch / took_s, 1)
    return Point(way.processes, way.threads, way.half, batch, rate, p50, p99, memory_bytes)


def _inputs(manifest: Manifest, rows: int) -> list[Tensor]:
    """Give rows of the sample, which alone may say how wide an open dimension is; without one made-up values."""
    if sample := sample_inputs(manifest):
        return with_rows(sample, rows, []) if manifest.signature.is_batched else sample
    return make_inputs(manifest.signature, rows=rows, kind="random")


async def _drive(socket: Path, inputs: list[Tensor]) -> list[float]:
    """Give the milliseconds of each call. Raises Unprocessable where the model refuses, TimeoutError."""
    reader, writer = await asyncio.open_unix_connection(socket)
    answers = frames.Reader(frames.MAX_RESULT_BYTES)
    times: list[float] = []
    until = perf_counter() + SECONDS
    try:
        while perf_counter() < until or len(times) < _LEAST_CALLS:
            began = perf_counter()
            writer.writelines(frames.pack(id=1, kind=frames.INFER, tensors=inputs))
            async with asyncio.timeout(settings.RUNNER["BATCH_DEADLINE_S"] + 1):
                await _answer(reader, answers)
            times.append((perf_counter() - began) * 1000)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return times


async def _answer(reader: asyncio.StreamReader, answers: frames.Reader) -> None:
    while True:
        data = await reader.read(1 << 18)
        if not data:
            raise Unprocessable("it ended while it was called")
        try:
            found = list(answers.feed(data))
        except ValueError:
            raise Unprocessable("it answered nonsense") from None
        for frame in found:
            if frame.kind == frames.ERROR:
                raise Unprocessable(read_message(frame.text.partition("\n")[2]))
            return
