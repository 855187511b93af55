"""What the two demo trainings share: a bounded, repeatable torch and a finished model folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

THREADS = 1  # both models are trained at once


def prepare(description: str, seed: int) -> Path:
    """Read `--out DIR`, seed torch, and give the folder, which exists now."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model's files")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    return folder


def save_model(folder: Path, module: torch.nn.Module, manifest: dict[str, Any]) -> None:
    """Write weights and manifest, the manifest last: a folder that has one is finished."""
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, folder / "model.safetensors")
    write_json(folder / "metrics.json", manifest["metrics"])
    write_json(folder / "flueman.json", {"format": "safetensors", "weights": "model.safetensors", **manifest})


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON, Korean as it is."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
