"""Calls of `/v2` made from nothing but chance, through the whole door to a real model: answers or typed refusals only.

The suite makes 400 calls; `make attacks` 5,000. The seed is fixed.
"""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections import Counter
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.attacks import table
from tests.inference.serving import Reply, Serving

pytestmark = pytest.mark.django_db(transaction=True)

CASES = 5_000 if "FLUEMAN_ATTACKS" in os.environ else 400
# What a model or a deployment that cannot serve now says; everything else from 500 on would be a fault.
HONEST = {"not_ready", "not_in_service", "queue_full", "output_not_finite"}
TYPES = "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES BF16".split()  # noqa: SIM905
PATHS = [
    "models/small", "models/small/ready", "models/small/config", "models/small/stats", "models/small/versions/1",
    "models/small/versions/1/infer", "models/small/versions/9/infer", "models/small/generate",
    "models/small/generate_stream", "models/stats", "repository/index", "repository/models/small/load",
    "repository/models/small/unload",
    "health/ready", "",
    "trace/setting", "logging", "systemsharedmemory/status", "cudasharedmemory/region/a/register",
]  # fmt: skip

odd = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
    st.sampled_from([2**31, 2**63, 2**64, -1, 0, 1e308, "\0", "\u202e", "x" * 300, [[[]]], {"data": [1]}]),
)  # fmt: skip
numbers = st.lists(
    st.sampled_from([0, 1, -1, 2.5, -0.0, 1e38, 1e39, 1e-46, 2**40, True, None, "1"]), min_size=4, max_size=8
)
rarely = st.sampled_from([False] * 5 + [True])
good_numbers = st.sampled_from([[1, 2, 3, 4], [[1, 2, 3, 4]], [0.5] * 8, [1.0] * 4096, [0.1] * 8192])


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an input, right or with one field of chance."""
    data = draw(numbers if draw(rarely) else good_numbers)
    rows = max(1, (len(data) if not isinstance(data[0], list) else 4 * len(data)) // 4)
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [rows, 4], "data": data}
    for field in (
        draw(st.lists(st.sampled_from(["name", "datatype", "shape", "data", "parameters", "more"]), max_size=2))
        if draw(rarely)
        else []
    ):
        tensor[field] = draw(odd | st.sampled_from(TYPES) | st.lists(odd, max_size=3))
    if draw(rarely):
        tensor.pop("data")
        tensor["parameters"] = {"binary_data_size": draw(st.sampled_from([16, 0, 15, 32, -1, 2**62]) | odd)}
    return tensor


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """Draw a body and the headers that belong to it, packed, cut or broken now and then."""
    asked: dict[str, Any] = {
        "inputs": draw(
            st.lists(tensors(), min_size=1, max_size=2) if draw(rarely) else tensors().map(lambda one: [one])
        )
    }
    for field in (
        draw(st.lists(st.sampled_from(["id", "outputs", "parameters", "inputs", "text_input"]), max_size=2))
        if draw(rarely)
        else []
    ):
        wanted = {
            "name": draw(st.sampled_from(["y", "z"])),
            "parameters": draw(st.dictionaries(st.sampled_from(["binary_data", "classification"]), odd, max_size=2)),
        }
        asked[field] = draw(odd | st.just([wanted]) | st.just({"binary_data_output": True}))
    head = (
        orjson.dumps(asked, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS, default=str)
        if _is_plain(asked)
        else b"{}"
    )
    headers: dict[str, str] = {}
    body = head
    if draw(rarely):
        body = head + draw(
            st.sampled_from([b"", b"\0" * 16, b"\xff" * 16, b"\0\0\x80?" * 4, b"\0" * 15]) | st.binary(max_size=64)
        )
        length = draw(st.sampled_from([str(len(head))] * 4 + ["0", "-1", "1", "x", str(2**70), "", " 1"]))
        headers["inference_header_content_length"] = length
    if draw(rarely):
        at = draw(st.integers(0, len(body)))
        body = (
            body[:at]
            + draw(st.binary(max_size=4) | st.sampled_from([b'"', b"[" * 70, b"\\ud800", b"NaN", b"{"]))
            + body[at + draw(st.integers(0, 3)) :]
        )
    packing = draw(st.sampled_from([""] * 6 + ["gzip", "deflate", "br", "gzip, gzip", "identity"]))
    if packing:
        headers["content_encoding"] = packing
        body = gzip.compress(body, 1) if packing == "gzip" else zlib.compress(body, 1) if packing == "deflate" else body
        body = body[: len(body) - draw(st.sampled_from([0, 0, 0, 1, 9]))]
    return body, headers


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str, bytes, dict[str, str]]:
    """Draw method, path, body and headers."""
    body, headers = draw(bodies())
    path = draw(st.sampled_from(["models/small/infer"] * 30 + PATHS))
    if draw(rarely):
        path = f"models/{quote(draw(st.text(max_size=12)))}/infer"
    method = draw(st.sampled_from(["POST"] * 20 + ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]))
    for name in (
        draw(
            st.lists(
                st.sampled_from(
                    [
                        "accept_encoding",
                        "idempotency_key",
                        "traceparent",
                        "content_type",
                        "x_flueman_route_key",
                        "content_length",
                    ]
                ),
                max_size=2,
            )
        )
        if draw(rarely)
        else []
    ):
        headers[name] = draw(
            st.sampled_from(
                [
                    "gzip",
                    "deflate",
                    "a",
                    "0",
                    "-5",
                    "x" * 300,
                    "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
                    "\xff",
                    "application/json",
                ]
            )
        )
    return method, path, body, headers


def _is_plain(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def fault(reply: Reply, method: str) -> str:
    """Give what is wrong with an answer, or nothing."""
    is_overflow = b"holds a number that is not finite" in reply.body
    if reply.status >= 500 and not is_overflow and reply.headers.get("x-error-code") not in HONEST:
        return f"{reply.status} {reply.headers.get('x-error-code')}"
    if reply.status >= 400 and method != "HEAD":
        try:
            is_told = isinstance(orjson.loads(reply.body)["error"], str)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            is_told = False
        return "" if is_told else f"{reply.status} in another shape: {reply.body[:100]!r}"
    return "" if reply.status else "no answer"


def ours(record: logging.LogRecord) -> bool:
    """Whether it tells of these calls, and not of an engine of an earlier test that is collected only now."""
    return not record.getMessage().startswith("Task was destroyed")


def test_v2_when_called_with_anything_then_answers_or_typed_refusals(small: Serving, caplog: Any) -> None:
    seen: Counter[int] = Counter()

    @seed(1)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls())
    def call(drawn: tuple[str, str, bytes, dict[str, str]]) -> None:
        method, path, body, headers = drawn
        with caplog.at_level(logging.ERROR, logger="inference"):
            reply = small.call(f"/v2/{path}", body, method=method, **headers)
        seen[reply.status] += 1
        assert fault(reply, method) == ""
        assert not [
            record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR and ours(record)
        ]

    call()
    assert seen[200] > CASES // 20
    got = ", ".join(f"{number} times {status}" for status, number in sorted(seen.items()))
    table.record("Parsers", "whole calls of /v2", f"{sum(seen.values())} calls: {got}", "harmless")
