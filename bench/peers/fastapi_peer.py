"""FastAPI: orjson and plain torch on the event loop at /predict, the same by a pydantic model at /typed."""

import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from plain import KIND, run
from pydantic import BaseModel

app = FastAPI()


class Rows(BaseModel):
    """A call."""

    x: list[list[int]] if KIND is np.int64 else list[list[float]]  # type: ignore[valid-type]


class Outputs(BaseModel):
    """An answer."""

    y: list[list[float]]


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer `{"x": [[...]]}` with `{"y": [[...]]}`."""
    rows = orjson.loads(await request.body())["x"]
    result = run(np.array(rows, dtype=KIND))
    return Response(orjson.dumps({"y": result}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@app.post("/typed")
async def predict_typed(rows: Rows) -> Outputs:
    """Answer as FastAPI's guide writes it."""
    return Outputs(y=run(np.array(rows.x, dtype=KIND)).tolist())
