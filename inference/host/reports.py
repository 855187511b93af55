"""What a confined process says, brought into the one form that is kept: the words may be those of a hostile model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.signature import Signature, TensorSpec

WALLS = ("network", "files", "system_calls")
_STATES = ("running", "passed", "failed")
_STEP_CHARACTERS, _MESSAGE_CHARACTERS, _VALUE_CHARACTERS = 40, 2000, 2000
_VALUES = 64
_MEASUREMENTS = 4


def read_step(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give a line in the one form that a step has, `None` if it has another."""
    if line.get("state") not in _STATES or not _is_count(line.get("ms")):
        return None
    return {
        "step": _text(line.get("step"), _STEP_CHARACTERS),
        "state": line["state"],
        "message": _text(line.get("message"), _MESSAGE_CHARACTERS),
        "ms": line["ms"],
    }


def read_message(error: Any) -> str:
    """Give the sentence of an error that a process told."""
    return _text(error.get("message") if isinstance(error, Mapping) else error, _MESSAGE_CHARACTERS)


def read_report(given: Mapping[str, Any], signature: Signature | None) -> dict[str, Any]:
    """Give the figures and the sample of a report; what has another form than ours is left out."""
    found: dict[str, Any] = {"ok": given.get("ok") is True}
    found |= {name: given[name] for name in ("memory_bytes", "device_bytes") if _is_count(given.get(name))}
    found["missing_walls"] = [wall for wall in WALLS if wall in _list(given.get("missing_walls"))]
    found["latency_ms"] = _latencies(given.get("latency_ms"))
    sample = given.get("sample")
    if signature is not None and isinstance(sample, Mapping):
        found["sample"] = {
            "inputs": _values(sample.get("inputs"), signature.inputs),
            "outputs": _values(sample.get("outputs"), signature.outputs),
        }
    return found


def _latencies(given: Any) -> dict[str, dict[str, float]]:
    if not isinstance(given, Mapping):
        return {}
    return {
        rows: {"p50": float(times["p50"]), "p95": float(times["p95"])}
        for rows, times in list(given.items())[:_MEASUREMENTS]
        if rows.isdecimal()
        and len(rows) < 10
        and isinstance(times, Mapping)
        and _is_number(times.get("p50"))
        and _is_number(times.get("p95"))
    }


def _values(given: Any, specs: Sequence[TensorSpec]) -> dict[str, list[Any]]:
    if not isinstance(given, Mapping):
        return {}
    return {
        spec.name: [_text(value, _VALUE_CHARACTERS) if spec.datatype == "BYTES" else value for value in values]
        for spec in specs
        if (values := _list(given.get(spec.name))[:_VALUES])
        and all(isinstance(value, str) if spec.datatype == "BYTES" else _is_number(value) for value in values)
    }


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _text(given: Any, most: int) -> str:
    return "".join(c if c.isprintable() or c == "\n" else " " for c in str(given)[:most])


def _is_count(given: Any) -> bool:
    return type(given) is int and 0 <= given < 1 << 53


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and abs(given) < 1e300  # neither NaN nor infinite nor too long for a float
