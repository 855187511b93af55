"""Folders as MLflow saves them, written by hand: what a client of any version would leave."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import yaml

INPUTS = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]
OUTPUTS = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]
PYTORCH = {"pytorch": {"code": None, "model_data": "data", "pytorch_version": "2.5.1"}}
PYFUNC = {"python_function": {"loader_module": "mlflow.pytorch", "python_version": "3.11.9", "data": "data",
                              "env": {"conda": "conda.yaml"}}}  # fmt: skip


def mlmodel(flavours: Any = None, *, inputs: Any = INPUTS, outputs: Any = OUTPUTS, **more: Any) -> str:
    """Give the text of an `MLmodel`."""
    said: dict[str, Any] = {
        "artifact_path": "model",
        "flavors": PYTORCH | PYFUNC if flavours is None else flavours,
        "mlflow_version": "3.17.2",
        "model_uuid": "0d3c3d5ac1a24a5c8a7b2e6c2f4f8a10",
        "utc_time_created": "2026-11-21 08:30:12.123456",
        **more,
    }
    if inputs is not None:
        said["signature"] = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    return yaml.safe_dump(said, sort_keys=False)


def make_mlflow(folder: Path, files: dict[str, bytes] | None = None, **said: Any) -> Path:
    """Give a folder with an `MLmodel`, its environment files, and others."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(mlmodel(**said), encoding="utf-8")
    (folder / "conda.yaml").write_text("dependencies: [python=3.11]\n")
    (folder / "requirements.txt").write_text("torch==2.5.1\n")
    for path, content in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def pickled() -> bytes:
    """Give a pickle that would run something."""

    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("owned",))

    return pickle.dumps(Evil())


def make_program(path: Path) -> Path:
    """Give a file that is TorchScript by its records, and no program that runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("model/constants.pkl", b"\x80\x02)q\x00.")
        archive.writestr("model/code/__torch__.py", "class Model(Module): pass")
    return path
