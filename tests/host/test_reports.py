"""What a hostile process says to the host: brought into one form, or left out; never more of it than a log can bear."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from inference.host.process import log_errors
from inference.host.reports import read_message, read_report, read_step
from registry.signature import parse_signature

SIGNATURE = parse_signature(
    {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
)
NUMBERS = [True, -1, 1 << 80, float("inf")]
HOSTILE: list[Any] = [None, *NUMBERS, "x" * 10_000, "\0\x1b[31m", [], [[]], {}, {"a": {}}, [None]]
PRINTS = """import os, signal
signal.setitimer(signal.ITIMER_REAL, 1)
while True:
    os.write(2, b'\\x1b[31mERROR\\n' * 9999)
"""


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["ok", "memory_bytes", "missing_walls", "latency_ms", "sample", "steps", "manifest"])
def test_report_when_a_value_has_another_form_leaves_it_out(key: str, value: Any) -> None:
    read = read_report({key: value, "steps": value, "converted": value}, SIGNATURE)
    assert read.keys() <= {"ok", "memory_bytes", "missing_walls", "latency_ms", "sample"}
    assert read["ok"] is (key == "ok" and value is True)
    assert read["latency_ms"] == {}
    assert read["missing_walls"] == []
    assert len(json.dumps(read)) < 500


@pytest.mark.parametrize("value", HOSTILE)
def test_sample_when_its_values_have_another_form_leaves_them_out(value: Any) -> None:
    read = read_report({"sample": {"inputs": {"text": value}, "outputs": {"y": value, "z": [1]}}}, SIGNATURE)
    assert read["sample"] == {"inputs": {}, "outputs": {}}


def test_report_when_it_is_as_ours_is_kept() -> None:
    sample = {"inputs": {"text": ["안녕"]}, "outputs": {"y": [0.5, 1]}}
    latency = {"1": {"p50": 0.5, "p95": 1.0}}
    given = {"ok": True, "memory_bytes": 7, "missing_walls": ["files"], "latency_ms": latency, "sample": sample}
    assert read_report(given, SIGNATURE) == given


@pytest.mark.parametrize("value", HOSTILE)
def test_step_when_it_has_another_form_is_none_or_plain_text(value: Any) -> None:
    assert read_step({"step": "open", "state": value, "ms": 1}) is None
    step = read_step({"step": value, "state": "failed", "ms": 1, "message": value})
    assert step is not None
    assert len(step["step"]) <= 40
    assert "\0" not in step["message"]
    assert len(read_message({"message": value})) <= 2000


def test_log_when_a_process_prints_without_end_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PRINTS, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=1 << 20
        )
        await log_errors(process, "loud v1")
        return await process.wait()

    with caplog.at_level(logging.INFO):
        assert asyncio.run(work()) < 0
    assert 1000 < sum(len(record.getMessage()) for record in caplog.records) < 200_000
    assert "thrown away" in caplog.text
    assert "\x1b" not in caplog.text
