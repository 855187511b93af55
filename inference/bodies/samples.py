"""A call as code to copy: for a shell, for Python, for the Triton client. Pure: no ORM, no request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from registry.numbers import DTYPES
from registry.signature import TensorSpec, infer_shape

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
{libraries}
import tritonclient.http as triton

client = triton.InferenceServerClient("{host}"{tls})
{tensors}
answer = client.infer(
    {deployment},
    [{names}],
    headers={{"Authorization": "Bearer " + os.environ["FLUEMAN_KEY"]}},
)
for output in answer.get_response()["outputs"]:
    print(output["name"], answer.as_numpy(output["name"]))"""
_TENSOR = """{name} = triton.InferInput({label}, {shape}, "{datatype}")
{name}.set_data_from_numpy(np.array({data}, dtype={dtype}).reshape({shape}))"""

_OTHER_DTYPES = {"BYTES": "object", "BF16": "ml_dtypes.bfloat16"}


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
        deployment=orjson.dumps(deployment).decode(),  # whoever copies it runs it: a name may hold quotes
        libraries="\n".join(_libraries(spec for _name, spec in used)),
        tensors="\n".join(_tensor(name, spec, inputs[spec.name]) for name, spec in used),
        names=", ".join(name for name, _spec in used),
    )
    python = _PYTHON.format(address=address, inputs=repr(dict(inputs)))
    return [("curl", _CURL.format(address=address, body=body)), ("Python", python), ("Triton", triton)]


def _libraries(specs: Iterable[TensorSpec]) -> list[str]:
    return [*(["import ml_dtypes"] if any(spec.datatype == "BF16" for spec in specs) else []), "import numpy as np"]


def _tensor(name: str, spec: TensorSpec, data: Any) -> str:
    numbers = DTYPES.get(spec.datatype)
    dtype = f"np.{numbers.name}" if numbers else _OTHER_DTYPES[spec.datatype]
    shape = list(infer_shape(spec, data if isinstance(data, list) else [data]))
    return _TENSOR.format(
        name=name, label=repr(spec.name), shape=shape, datatype=spec.datatype, data=repr(data), dtype=dtype
    )
