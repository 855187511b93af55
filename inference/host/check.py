"""A version's check, run by the host in a confined process of its own; what that process says is data, not truth."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from common.errors import Invalid
from files.services import store
from inference.folders import remove
from inference.host import process as processes
from inference.host.database import Database
from inference.host.forkserver import ForkedProcess
from inference.host.materialise import materialise
from inference.host.places import cache_folder
from inference.host.reports import read_report, read_step
from inference.host.states import read_version
from inference.remote.check import Examination
from inference.remote.places import place_of
from registry.formats import sniff
from registry.manifest import CONVERTED_WEIGHTS, MANIFEST, parse_manifest, read_manifest
from registry.models import ModelVersion
from registry.signature import parse_signature

MAX_LINES = 64

Tell = Callable[[dict[str, Any]], Awaitable[None]]


async def check(version_id: UUID, database: Database, tell: Tell) -> dict[str, Any]:
    """Check a version, telling each step as it happens, and give the report.

    Raises NotFound if the version or its bytes are missing, DatabaseAwayError if the database does not answer.
    """
    version = await database.call(read_version, version_id)
    if place := place_of(version):
        return await Examination(place, parse_manifest(version.manifest, {MANIFEST}), tell).run()
    try:
        folder = await asyncio.to_thread(materialise, version)
    except Invalid as error:
        return await _fail([], "open", error.message, tell)
    out = Path(tempfile.mkdtemp(dir=cache_folder("checks")))
    weights = out / CONVERTED_WEIGHTS
    weights.touch(mode=0o600)
    try:
        report = await _run(version, folder, weights, tell)
        if not report["ok"]:
            return report
        return await _complete(report, folder, weights, database)
    except Invalid as error:
        return await _fail(report["steps"], "convert", error.message, tell)
    finally:
        await asyncio.to_thread(remove, out)


async def _run(version: ModelVersion, folder: Path, weights: Path, tell: Tell) -> dict[str, Any]:
    """Give the report of the process, or one of our own if it ends without."""
    deadline_s = settings.RUNNER["CHECK_DEADLINE_S"]
    process = await processes.start("check", "--out", weights, folder=folder, version=version)
    log = asyncio.create_task(processes.log_errors(process, f"check of {version}"))
    steps: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(deadline_s):
            report = await _follow(process, steps, tell)
            words = "" if report else processes.last_words(await process.wait())
    except TimeoutError:
        report, words = None, f"it took more than {deadline_s:g} s"
    finally:
        await processes.kill(process)
        await log
    if report is not None:
        signature = parse_signature(version.signature) if version.signature else None
        return {**read_report(report, signature), "steps": [step for step in steps if step["state"] != "running"]}
    return await _fail(steps, steps[-1]["step"] if steps else "open", f"the check ended early: {words}", tell)


async def _follow(process: ForkedProcess, steps: list[dict[str, Any]], tell: Tell) -> dict[str, Any] | None:
    """Tell the steps that the process reports and give its report, `None` if it ends without one."""
    async for line in processes.reports(process):
        if isinstance(line.get("report"), dict):
            return dict(line["report"])
        step = read_step(line)
        if step is None or len(steps) >= MAX_LINES:
            return None
        steps.append(step)
        await tell(step)
    return None


async def _fail(steps: list[dict[str, Any]], name: str, message: str, tell: Tell) -> dict[str, Any]:
    step = {"step": name, "state": "failed", "message": message, "ms": 0}
    await tell(step)
    return {"ok": False, "steps": [*(step for step in steps if step["state"] != "running"), step]}


async def _complete(report: dict[str, Any], folder: Path, weights: Path, database: Database) -> dict[str, Any]:
    """Add the manifest that now holds and the SHA-256 of the files that take the place of the uploaded weights."""
    manifest = await asyncio.to_thread(read_manifest, folder)
    if manifest.format != "state_dict":
        return {**report, "converted": {}, "manifest": dict(manifest.raw)}
    if sniff(weights) != "safetensors":
        raise Invalid(f"the converted {CONVERTED_WEIGHTS} is no safetensors file")
    raw = {**manifest.raw, "format": "safetensors", "weights": CONVERTED_WEIGHTS}
    text = json.dumps(raw, ensure_ascii=False, indent=2).encode()
    blobs = {
        CONVERTED_WEIGHTS: await database.call_long(store, weights),
        MANIFEST: await database.call_long(store, BytesIO(text)),
    }
    return {**report, "converted": {path: blob.sha256 for path, blob in blobs.items()}, "manifest": raw}
