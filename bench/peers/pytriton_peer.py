"""PyTriton: Triton with a Python callable behind it and its dynamic batcher."""

import os

import numpy as np
from plain import KIND, run
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def infer(x: np.ndarray) -> dict[str, np.ndarray]:
    """Run."""
    return {"y": run(x)}


port = int(os.environ["PEER_PORT"])
config = TritonConfig(
    http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False, http_thread_count=2, log_verbose=0
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="numbers",
        infer_func=infer,
        inputs=[Tensor(name="x", dtype=KIND, shape=(-1,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=4096, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
    )
    triton.serve()
