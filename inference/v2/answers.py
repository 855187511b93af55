"""Results as answers of the Open Inference Protocol: JSON, or JSON and then the bytes of tensors. Pure.

Source: Triton, docs/protocol/extension_binary_data.md and extension_classification.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from inference.bodies.payload import flat_values
from inference.bodies.wanted import Wanted
from inference.runner.frames import pack_strings
from inference.transport import Output
from registry.numbers import to_payload
from registry.signature import Signature, TensorSpec

Pairs = Sequence[tuple[TensorSpec, Output]]


def render(
    *,
    outputs: Pairs,
    signature: Signature,
    model: str,
    version: int,
    client_id: str,
    wanted: tuple[Wanted, ...] | None,
    labels: Sequence[str] = (),
) -> tuple[bytes, int | None]:
    """Give the body, and how long its JSON is where bytes follow that."""
    answer: dict[str, Any] = {"model_name": model, "model_version": str(version)}
    if client_id:
        answer["id"] = client_id
    if wanted is None:
        answer["outputs"] = [
            {"name": spec.name, "datatype": spec.datatype, "shape": output.shape, "data": _flat(output)}
            for spec, output in outputs
        ]
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), None
    answer["outputs"], pieces = [], []
    by_name = {spec.name: output for spec, output in outputs}
    for each in wanted:
        output = by_name[each.name]
        if each.classes:
            output = classify(output, each.classes, labels, is_batched=signature.is_batched)
        entry: dict[str, Any] = {"name": each.name, "datatype": output.datatype, "shape": output.shape}
        if each.is_binary:
            pieces.append(_payload(output))
            entry["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            entry["data"] = _flat(output)
        answer["outputs"].append(entry)
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join([head, *pieces]), len(head)) if pieces else (head, None)


def classify(output: Output, count: int, labels: Sequence[str], *, is_batched: bool) -> Output:
    """Give the best classes of each row as `value:index:label` texts; of equal values the lower index comes first.

    Labels stand there if there is one for each class.
    """
    assert isinstance(output.values, np.ndarray)
    batch = output.shape[:1] if is_batched else ()
    rows = output.values.reshape(math.prod(batch), -1)
    classes = rows.shape[1]
    best = classes - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :count]
    names = [f":{label}" for label in labels] if len(labels) == classes else [""] * classes
    texts = [
        f"{_text(value)}:{index}{names[index]}".encode()
        for row, order in zip(rows.tolist(), best.tolist(), strict=True)
        for value, index in ((row[index], index) for index in order)
    ]
    return Output("BYTES", (*batch, best.shape[1]), texts)


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:f}"


def _flat(output: Output) -> Any:
    """Give an output's elements, row-major, as orjson takes them."""
    return flat_values(output) if isinstance(output.values, list) else output.values.reshape(-1)


def _payload(output: Output) -> bytes:
    if isinstance(output.values, list):
        return pack_strings(output.values)
    return to_payload(output.datatype, output.values)
