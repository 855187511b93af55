"""The peer: FastAPI with orjson and plain torch on its event loop, which asks for no key and records nothing.

Run in its own environment: `uvicorn fastapi_peer:app`. WEIGHTS names the weights that `bench.model` wrote.
"""

import os

import numpy as np
import orjson
import torch
from fastapi import FastAPI, Request, Response
from torch import nn

torch.set_num_threads(1)
layers = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 16))
weights = torch.load(os.environ["WEIGHTS"], weights_only=True)
layers.load_state_dict(dict(zip(layers.state_dict(), weights.values(), strict=True)))
layers.eval()
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer `{"x": [[...]]}` with `{"y": [[...]]}`."""
    rows = orjson.loads(await request.body())["x"]
    with torch.inference_mode():
        result = layers(torch.from_numpy(np.array(rows, dtype=np.float32)))
    return Response(orjson.dumps({"y": result.tolist()}), media_type="application/json")
