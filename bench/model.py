"""Makes the model of load W1: an MLP 256-512-512-16 with fixed random weights, `python -m bench.model FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from inference.runner.architectures import build

ARGUMENTS = {"sizes": [256, 512, 512, 16], "activation": "relu"}


def main(folder: Path) -> None:
    """Write flueman.json and the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    module = build("mlp", ARGUMENTS)
    save_file(module.state_dict(), folder / "model.safetensors")
    torch.save(module.state_dict(), folder.parent / "weights.pt")
    manifest = {
        "format": "safetensors",
        "architecture": "mlp",
        "arguments": ARGUMENTS,
        "task": "tensor",
        "weights": "model.safetensors",
        "signature": {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 256]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 16]}],
        },
    }
    (folder / "flueman.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
