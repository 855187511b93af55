"""Models of many forms on a real Triton server, for `python -m bench elsewhere`; PyTriton brings the server."""

import os

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def double(x):
    """Answer twice the numbers."""
    return {"y": x * np.float32(2)}


@batch
def shout(text):
    """Answer the texts in capitals, and their lengths in characters."""
    said = [one.decode() for one in text[:, 0]]
    loud = np.array([[one.upper().encode()] for one in said], dtype=object)
    return {"loud": loud, "length": np.array([[len(one)] for one in said], dtype=np.int64)}


@batch
def add(half, small, flag, large):
    """Answer the sum of three datatypes, and a denial."""
    return {"sum": half.astype(np.float64) + small + large.astype(np.float64), "denied": ~flag}


def backwards(requests):
    """Answer the numbers of a call from behind: its first dimension is no batch."""
    return [{"y": request["x"][::-1].copy()} for request in requests]


def tensors(**datatypes):
    """Give tensors of free length by name."""
    return [Tensor(name=name, dtype=datatype, shape=(-1,)) for name, datatype in datatypes.items()]


several = ModelConfig(max_batch_size=8, batcher=DynamicBatcher(max_queue_delay_microseconds=0))
alone = ModelConfig(batching=False)
mixed = tensors(half=np.float16, small=np.int8, flag=np.bool_, large=np.uint64)
config = TritonConfig(
    http_address="127.0.0.1", http_port=int(os.environ["PEER_PORT"]), allow_grpc=False, allow_metrics=False
)
with Triton(config=config) as triton:
    triton.bind("double", double, tensors(x=np.float32), tensors(y=np.float32), config=several)
    triton.bind("shout", shout, tensors(text=bytes), tensors(loud=bytes, length=np.int64), config=several)
    triton.bind("add", add, mixed, tensors(sum=np.float64, denied=np.bool_), config=several)
    triton.bind("backwards", backwards, tensors(x=np.float32), tensors(y=np.float32), config=alone)
    triton.serve()
