"""The loads: what is sent and what must come back, the same for every server."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "bench" / ".work"
CLOSE = 2e-3  # between two ways of adding up the same numbers


@dataclass(frozen=True, slots=True)
class Load:
    """A model and the rows of one request. `architecture` and `arguments` are those of `flueman.json`."""

    name: str
    title: str
    model: str
    rows: int
    architecture: str
    arguments: tuple[tuple[str, Any], ...]
    datatype: str
    columns: int

    def inputs(self) -> list[list[Any]]:
        """Give the rows that are sent, always the same."""
        chance = random.Random(self.name)
        if self.datatype == "INT64":
            return [[chance.randrange(1, 8192) for _ in range(self.columns)] for _ in range(self.rows)]
        return [[round(chance.gauss(0, 1), 5) for _ in range(self.columns)] for _ in range(self.rows)]

    def plain_body(self) -> bytes:
        """Give the body of servers without a protocol of their own."""
        return json.dumps({"x": self.inputs()}, separators=(",", ":")).encode()

    def v2_body(self) -> bytes:
        """Give the body of the Open Inference Protocol."""
        flat = [value for row in self.inputs() for value in row]
        tensor = {"name": "x", "datatype": self.datatype, "shape": [self.rows, self.columns], "data": flat}
        return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()

    @property
    def folder(self) -> Path:
        """Where the model lies as Flueman takes it."""
        return WORK / "models" / self.model

    @property
    def weights(self) -> Path:
        """Where the weights lie as the peers take them."""
        return WORK / "models" / f"{self.model}.pt"

    def check(self, outputs: np.ndarray) -> None:
        """Compare with what torch gave. Raises ValueError."""
        expected = np.load(WORK / "models" / f"{self.name}.npy")
        if outputs.shape != expected.shape or not np.allclose(outputs, expected, atol=CLOSE):
            raise ValueError(f"outputs of shape {outputs.shape} are not those of torch, {expected.shape}")


_MLP = (("sizes", (256, 512, 512, 16)), ("activation", "relu"))
_ENCODER = (
    ("dim", 256), ("layers", 6), ("heads", 8), ("feedforward", 1024), ("vocabulary", 8192), ("max_tokens", 32),
    ("outputs", 16),
)  # fmt: skip
LOADS = {
    "w1": Load("w1", "W1: one row of 256 floats through an MLP 256-512-512-16", "mlp", 1, "mlp", _MLP, "FP32", 256),
    "w2": Load("w2", "W2: the same MLP, 64 rows a request, 138 KB of JSON", "mlp", 64, "mlp", _MLP, "FP32", 256),
    "w3": Load(
        "w3", "W3: one row of 32 tokens through a transformer encoder of 6 layers, d=256", "encoder", 1,
        "transformer_encoder", _ENCODER, "INT64", 32,
    ),
}  # fmt: skip
_WIDE = (("sizes", (4096, 16)), ("activation", "relu"))
WIDE = {
    "t1": Load("t1", "a tensor of 1 MB", "wide", 64, "mlp", _WIDE, "FP32", 4096),
    "t16": Load("t16", "a tensor of 16 MB", "wide", 1024, "mlp", _WIDE, "FP32", 4096),
}
