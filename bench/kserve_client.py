"""KServe's stock client against a running Flueman with its demo; to be run by hand, in an environment of its own.

    python -m venv /tmp/kserve && /tmp/kserve/bin/pip install kserve==0.21.0
    /tmp/kserve/bin/python bench/kserve_client.py http://127.0.0.1:8000 API_KEY

KServe wants other versions of our own libraries, so it is no part of our requirements.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.linspace(-1, 1, 512, dtype=np.float32).reshape(2, 256)
TEXTS = np.array(["근처에 갈 만한 식당 알려줘", "고마워요 😀"], dtype=np.object_)


def numbers(*, is_binary: bool) -> InferRequest:
    """Give a call of the demo's model of numbers; KServe names its outputs as bytes where the inputs are."""
    tensor = InferInput("x", [2, 256], "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=is_binary)
    outputs = [RequestedOutput("y", parameters={"binary_data": is_binary})]
    return InferRequest("numbers", [tensor], request_id="mine", request_outputs=outputs)


def texts(*, is_binary: bool) -> InferRequest:
    """Give a call of the demo's model of texts."""
    tensor = InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(TEXTS, binary_data=is_binary)
    return InferRequest("intent", [tensor], parameters={"binary_data_output": is_binary})


def found(outputs: list[InferOutput], name: str) -> np.ndarray:
    """Give the values of an output."""
    return next(output for output in outputs if output.name == name).as_numpy()


async def refusal(call: Awaitable[object]) -> tuple[int, str]:
    """Give status and words of a call that is refused."""
    try:
        await call
    except httpx.HTTPStatusError as error:
        return error.response.status_code, str(error)
    raise AssertionError("it was answered")


async def main(url: str, key: str) -> None:
    """Make each call there is and print what came back; fails at the first that is not right."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=20))
    headers = {"Authorization": f"Bearer {key}"}
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "numbers", headers=headers)
    print("live, ready, model ready")
    for is_binary in (False, True):
        answer = await client.infer(url, numbers(is_binary=is_binary), model_name="numbers", headers=dict(headers))
        y = found(answer.outputs, "y")
        assert (answer.id, answer.model_name, y.shape) == ("mine", "numbers", (2, 16))
        print("numbers", "binary" if is_binary else "JSON", y[0, :4].tolist())
        answer = await client.infer(url, texts(is_binary=is_binary), model_name="intent", headers=dict(headers))
        labels = found(answer.outputs, "label").tolist()
        print("texts", "binary" if is_binary else "JSON", labels, found(answer.outputs, "score").tolist())
    plain = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["안녕"]}]}
    answer = await client.infer(url, plain, model_name="intent", headers=headers)
    print("a plain object", found(answer.outputs, "label").tolist())
    for name, sent, wanted in (("nothing", headers, 404), ("numbers", {}, 401)):
        status, words = await refusal(client.infer(url, numbers(is_binary=True), model_name=name, headers=dict(sent)))
        assert status == wanted, words
        print(status, words)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
