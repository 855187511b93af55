"""LitServe: one worker process for the model, with BATCHED=1 calls that wait are run together."""

import os
from typing import Annotated

import litserve
import numpy as np
import orjson
from fastapi import Depends
from plain import KIND, run
from starlette.requests import Request
from starlette.responses import Response

IS_BATCHED = os.environ["BATCHED"] == "1"


async def rows(request: Request) -> np.ndarray:
    """Read the body; else LitServe reads it by the standard library, and its worker gets lists of lists."""
    return np.array(orjson.loads(await request.body())["x"], dtype=KIND)


class Model(litserve.LitAPI):
    """The model; a call holds rows, so batches are joined and cut by rows."""

    def setup(self, device: str) -> None:
        """Nothing: `plain` has loaded the model."""

    def decode_request(self, request: Annotated[np.ndarray, Depends(rows)]) -> np.ndarray:
        """Take the rows as the web process has read them."""
        return request

    def batch(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
        """Join calls."""
        return np.concatenate(inputs), [len(rows) for rows in inputs]

    def predict(self, x: object) -> object:
        """Run."""
        return (run(x[0]), x[1]) if IS_BATCHED else run(x)  # type: ignore[index, arg-type]

    def unbatch(self, output: tuple[np.ndarray, list[int]]) -> list[np.ndarray]:
        """Cut the outputs."""
        return np.split(output[0], np.cumsum(output[1])[:-1])

    def encode_response(self, output: np.ndarray) -> Response:
        """Write the answer."""
        return Response(orjson.dumps({"y": output}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


if __name__ == "__main__":
    batch = {"max_batch_size": 64, "batch_timeout": 0.001} if IS_BATCHED else {}
    server = litserve.LitServer(Model(**batch), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(os.environ["PEER_PORT"]), generate_client_file=False, log_level="warning")
