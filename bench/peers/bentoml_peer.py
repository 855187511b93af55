"""BentoML: one worker, with BATCHED=1 its adaptive batching."""

import os

import bentoml
import numpy as np
from plain import KIND, run

IS_BATCHED = os.environ["BATCHED"] == "1"


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Peer:
    """The model."""

    @bentoml.api(batchable=IS_BATCHED, max_batch_size=4096, max_latency_ms=1000)
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run."""
        return run(x.astype(KIND))
