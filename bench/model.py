"""Makes the models of the loads with fixed random weights, and what torch answers: `python -m bench.model`."""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.torch import save_file

from bench.loads import LOADS, WIDE, Load
from inference.runner.architectures import build


def main() -> None:
    """Write each model as Flueman and as the peers take it, and the expected outputs of each load."""
    torch.set_num_threads(1)
    for load in (LOADS | WIDE).values():
        if load.name in WIDE and load.weights.with_name(f"{load.name}.npy").exists():
            continue
        torch.manual_seed(1)
        module = build(load.architecture, dict(load.arguments)).eval()
        load.folder.mkdir(parents=True, exist_ok=True)
        save_file(module.state_dict(), load.folder / "model.safetensors")
        torch.save(module.state_dict(), load.weights)
        (load.folder / "flueman.json").write_text(json.dumps(manifest(load)))
        with torch.inference_mode():
            np.save(load.weights.with_name(f"{load.name}.npy"), module(torch.tensor(load.inputs())).numpy())


def manifest(load: Load) -> dict[str, object]:
    """Give `flueman.json`."""
    return {
        "format": "safetensors",
        "architecture": load.architecture,
        "arguments": dict(load.arguments),
        "task": "tensor",
        "weights": "model.safetensors",
        "signature": {
            "inputs": [{"name": "x", "datatype": load.datatype, "shape": [-1, load.columns]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 16]}],
        },
    }


if __name__ == "__main__":
    main()
