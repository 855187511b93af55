"""Ray Serve: one replica behind its proxy, with BATCHED=1 calls that wait are run together."""

import os
import time

import numpy as np
import orjson
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
IS_BATCHED = os.environ["BATCHED"] == "1"


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0}, logging_config=QUIET)
class Peer:
    """The model."""

    def __init__(self) -> None:
        from plain import KIND, run  # noqa: PLC0415 - in the replica only

        self.kind, self.run = KIND, run

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def together(self, calls: list[np.ndarray]) -> list[np.ndarray]:
        """Run calls as one batch."""
        outputs = self.run(np.concatenate(calls))
        return np.split(outputs, np.cumsum([len(rows) for rows in calls])[:-1])

    async def __call__(self, request: Request) -> Response:
        """Answer `{"x": [[...]]}` with `{"y": [[...]]}`."""
        rows = np.array(orjson.loads(await request.body())["x"], dtype=self.kind)
        result = await self.together(rows) if IS_BATCHED else self.run(rows)
        return Response(orjson.dumps({"y": result}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


variables = {name: os.environ[name] for name in ("MODEL", "WEIGHTS", "BATCHED", "PYTHONPATH")}
ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": variables}, object_store_memory=80 << 20)
serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PEER_PORT"])}, logging_config=QUIET)
serve.run(Peer.bind(), name="numbers", route_prefix="/")
while True:
    time.sleep(3600)
