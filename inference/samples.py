"""A call as code to copy: for a shell, for Python, for the Triton client. Pure: no ORM, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from registry.signature import DTYPES, TensorSpec, infer_shape

_CURL = """curl -s {address} \\
  -H "Authorization: Bearer $FLUEMAN_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{body}'"""
_PYTHON = """import os
import httpx

answer = httpx.post(
    "{address}",
    headers={{"Authorization": "Bearer " + os.environ["FLUEMAN_KEY"]}},
    json={{"inputs": {inputs}}},
)
answer.raise_for_status()
print(answer.json()["outputs"])"""
_TRITON = """import os
import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient("{host}"{tls})
{tensors}
answer = client.infer(
    "{deployment}",
    [{names}],
    headers={{"Authorization": "Bearer " + os.environ["FLUEMAN_KEY"]}},
)
for output in answer.get_response()["outputs"]:
    print(output["name"], answer.as_numpy(output["name"]))"""
_TENSOR = """{name} = triton.InferInput({label}, {shape}, "{datatype}")
{name}.set_data_from_numpy(np.array({data}, dtype={dtype}).reshape({shape}), binary_data=False)"""


def code_samples(
    *, url: str, deployment: str, inputs: Mapping[str, Any], specs: Sequence[TensorSpec]
) -> list[tuple[str, str]]:
    """Give (what it is for, code) of the same call; `url` is where the installation is reached, without a path."""
    address = f"{url}/api/v1/deployments/{quote(deployment, safe='')}/predict"
    body = orjson.dumps({"inputs": dict(inputs)}).decode().replace("'", "'\\''")
    used = [(f"input_{n}", spec) for n, spec in enumerate(specs) if spec.name in inputs]
    triton = _TRITON.format(
        host=url.partition("://")[2],
        tls=", ssl=True" if url.startswith("https:") else "",
        deployment=deployment,
        tensors="\n".join(_tensor(name, spec, inputs[spec.name]) for name, spec in used),
        names=", ".join(name for name, _spec in used),
    )
    python = _PYTHON.format(address=address, inputs=repr(dict(inputs)))
    return [("curl", _CURL.format(address=address, body=body)), ("Python", python), ("Triton", triton)]


def _tensor(name: str, spec: TensorSpec, data: Any) -> str:
    dtype = "object" if spec.datatype == "BYTES" else f"np.{DTYPES[spec.datatype].name}"
    shape = list(infer_shape(spec, data if isinstance(data, list) else [data]))
    return _TENSOR.format(
        name=name, label=repr(spec.name), shape=shape, datatype=spec.datatype, data=repr(data), dtype=dtype
    )
